"""Experiment 2.3: does the place of the numbers matter less to even heads?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_HEADS_STEADY
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.position_sensitivity.evidence import Positions
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_STEADY)
def test_even_heads_vary_less_with_the_place_of_the_numbers(positions: Positions, judge: Judge) -> None:
    """The numerical bandwidth of the even heads varies less over six placements of the same comparison."""
    criterion, excess = judge.claim.criterion, partial(positions.excess, "even", None)
    judge(
        Evidence(
            estimate=in_both_orders(excess),
            against=positions.of_other_groups("even", criterion),
            variants=positions.other_measures(),
            incomparable=positions.incomparable,
            notes=positions.notes(),
            drawing=positions.drawing(),
            data=positions.data,
            by_layer=positions.by_layer(criterion, excess),
        )
    )
