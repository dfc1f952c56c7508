"""The measurement of experiments I1 and S1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.induction.head_scores.evidence import HeadScores
    from claims.induction.named import Named
    from referee.measuring.session import Session
    from referee.prompts.tokens import Tokens


@pytest.fixture(scope="session")
def head_scores(
    session: Session, judged: list[Tokens], unrepeated: list[Tokens], named: Named, visible: Visible
) -> HeadScores:
    """Experiments I1 and S1: the scores of all heads, with and without repetition."""
    from claims.induction.head_scores import measure
    from claims.induction.head_scores.evidence import HeadScores

    with visible():
        table = measure.head_scores(session, judged, progress="reading attention")
        without = measure.head_scores(session, unrepeated, progress="reading attention without repetition")
    return HeadScores(table, without, named, measure.of_uniform_attention(judged[0]))
