"""The measurement of experiment X1. pandas and torch are imported only when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from claims.new_theory.template.number_attention.evidence import NumberAttention
    from claims.new_theory.template.sentences import Sentence
    from fixtures.terminal import Visible
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def number_attention(session: Session, sentences: list[Sentence], visible: Visible) -> NumberAttention:
    """Experiment X1: the attention to the number of each sentence."""
    from claims.new_theory.template.number_attention import measure
    from claims.new_theory.template.number_attention.evidence import NumberAttention

    with visible():
        table = measure.number_attention(session, sentences, progress="reading attention")
    return NumberAttention(table)
