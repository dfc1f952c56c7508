"""Headline 5: the claim that combines several experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import COMPETITION_DECIDES
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.whole_theory.evidence import Competition
    from fixtures.ledger import Judge


@pytest.mark.claim(COMPETITION_DECIDES)
def test_competition_with_format_tokens_decides_the_answer(competition: Competition, judge: Judge) -> None:
    """Headline 5: bandwidth falls because of format tokens. An edit that gives or takes bandwidth turns answers."""
    judge(
        Evidence(
            estimate=in_both_orders(competition.shares),
            against=competition.vetoes(),
            drawing=competition.drawing(judge.claim.criterion.low),
        )
    )
