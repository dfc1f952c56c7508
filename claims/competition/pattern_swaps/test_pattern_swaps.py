"""Experiment 3.2: do the patterns of even and odd heads cause different answers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_PATTERNS_HELP, ODD_PATTERNS_HARM
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.pattern_swaps.evidence import Swaps
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_PATTERNS_HELP)
def test_even_patterns_in_odd_heads_raise_the_margin(swaps_on_bugs: Swaps, judge: Judge) -> None:
    """The answer was wrong. Odd heads get the patterns of their even neighbours. The margin rises."""
    judge(
        Evidence(
            estimate=in_both_orders(swaps_on_bugs.change_of_margin),
            against=swaps_on_bugs.against(),
            variants=swaps_on_bugs.variants(),
            counterexample=swaps_on_bugs.counterexample(),
            notes=swaps_on_bugs.notes(),
            drawing=swaps_on_bugs.drawing(),
            data=swaps_on_bugs.data,
            by_layer=swaps_on_bugs.by_layer(),
        )
    )


@pytest.mark.claim(ODD_PATTERNS_HARM)
def test_odd_patterns_in_even_heads_lower_the_margin(swaps_on_right: Swaps, judge: Judge) -> None:
    """The answer was right. Even heads get the patterns of their odd neighbours. The margin falls."""
    judge(
        Evidence(
            estimate=in_both_orders(swaps_on_right.change_of_margin),
            against=swaps_on_right.against(),
            variants=swaps_on_right.variants(),
            counterexample=swaps_on_right.counterexample(),
            notes=swaps_on_right.notes(),
            drawing=swaps_on_right.drawing(),
            data=swaps_on_right.data,
            by_layer=swaps_on_right.by_layer(),
        )
    )
