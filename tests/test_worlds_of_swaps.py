"""Worlds of known truth for the claims of experiment 3.2: heads take the patterns of their neighbours."""

import pytest
from by_hand import finding_of
from test_worlds_of_edits import edited

from claims.competition.heads import RANDOM
from claims.competition.pattern_swaps import test_pattern_swaps as of_swaps
from claims.competition.pattern_swaps.evidence import Swaps
from referee.judging.verdict import Verdict


def swapped(factor, random, placebo, *, wrong):
    """Returns the finding on 3.2a or 3.2b. Each arm adds its number, times −1 for right answers, to the margin."""
    own = "even patterns in odd heads" if wrong else "odd patterns in even heads"
    sign, start = (1, -1.0) if wrong else (-1, 1.0)
    arms = {own: start + sign * factor, "placebo": start + sign * placebo}
    drawn = {f"{RANDOM} {i + 1}": start + sign * random for i in range(39)}
    swaps = Swaps(
        edited(arms, wrong=wrong),
        own,
        placebo="placebo",
        sign=sign,
        others=edited({own: arms[own], **drawn, f"{own}, only at heads 0 mod 4": start + sign * factor / 2}),
    )
    if wrong:
        return finding_of(of_swaps.test_even_patterns_in_odd_heads_raise_the_margin, swaps_on_bugs=swaps)
    return finding_of(of_swaps.test_odd_patterns_in_even_heads_lower_the_margin, swaps_on_right=swaps)


@pytest.mark.parametrize("wrong", [True, False])
def test_where_every_swap_shrinks_every_margin_neither_is_supported(wrong):
    """World: a swap is damage. It takes 30 % of each margin, and random choices of neighbours take 50 %."""
    assert swapped(0.3, 0.5, 0.0, wrong=wrong).verdict is Verdict.INCONCLUSIVE
    assert swapped(0.3, 0.0, 0.5, wrong=wrong).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("wrong", [True, False])
def test_swaps_are_supported_where_the_theory_is_true(wrong):
    """World: only the swap of the claim moves the margin, and half of the neighbours move it half as far."""
    assert swapped(2.0, 0.0, 0.0, wrong=wrong).verdict is Verdict.SUPPORTED
