"""Simulated tables of known truth for the claims of experiment 3.2."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from claims.competition import simulated_edits as tables
from claims.competition.pattern_swaps import test_pattern_swaps as claims
from claims.competition.pattern_swaps.evidence import Swaps
from claims.competition.pattern_swaps.measure import (
    EVEN_INTO_EVEN,
    EVEN_INTO_ODD,
    ODD_INTO_EVEN,
    ODD_INTO_ODD,
    other_swaps,
)
from claims.competition.simulated_heads import SUBJECT
from claims.simulations import EDGE, INSIDE, Simulation
from fixtures.options import Settings
from referee.attention.edits import Exchange

_PLACEBO = {EVEN_INTO_ODD: ODD_INTO_ODD, ODD_INTO_EVEN: EVEN_INTO_EVEN}
_DIFFERENT_SEEDS = 32
Taken = tuple[tuple[int, int], ...]


def helped(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns wrong answers whose margins the patterns of even heads raise."""
    return {"swaps_on_bugs": _swaps(rng, settings, place, EVEN_INTO_ODD)}


def harmed(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns right answers whose margins the patterns of odd heads lower."""
    return {"swaps_on_right": _swaps(rng, settings, place, ODD_INTO_EVEN)}


def _swaps(rng: np.random.Generator, settings: Settings, place: int, swap: str) -> Swaps:
    wrong = swap == EVEN_INTO_ODD
    arms = _arms(swap, settings.profile.groups, int(rng.integers(_DIFFERENT_SEEDS)))
    effects = _effects_of_takers(rng, arms[swap], place)
    by_arm = {arm: sum(effects[taker] for taker, _ in taken) for arm, taken in arms.items()}
    make = tables.bugged if wrong else tables.right
    asked = make(rng, settings.profile.swept)
    whole = {swap: by_arm[swap], _PLACEBO[swap]: 0.0}
    return Swaps(
        tables.moved_by(rng, asked, whole, settings, wrong_before=wrong),
        swap,
        placebo=_PLACEBO[swap],
        sign=1 if wrong else -1,
        others=tables.moved_by(rng, asked.few(settings), by_arm, settings, wrong_before=wrong),
    )


def _effects_of_takers(rng: np.random.Generator, taken: Taken, place: int) -> dict[int, float]:
    """Returns the effect of a neighbour's pattern in each head that may take it, in logits."""
    each, heads = tables.EFFECT / len(taken), range(SUBJECT.n_heads)
    if place == EDGE:
        return dict(zip(heads, each * (1 + rng.normal(size=len(heads))), strict=True))
    named = {taker for taker, _ in taken}
    return {head: (each if place == INSIDE else -each) * (head in named) for head in heads}


@lru_cache(maxsize=4 * _DIFFERENT_SEEDS)
def _arms(swap: str, count: int, seed: int) -> dict[str, Taken]:
    """Returns the heads (taker, giver) of the swap, and then of all edits with which it is compared, by arm."""
    others = other_swaps(SUBJECT, swap, count=count, seed=seed)
    neighbours = [(head, head + 1) for head in range(0, SUBJECT.n_heads, 2)]
    own = tuple((even, odd) if swap == ODD_INTO_EVEN else (odd, even) for even, odd in neighbours)
    return {swap: own} | {arm: edit.taken for arm, edit in others.items() if isinstance(edit, Exchange)}


_NOISE = (
    f"The change of the margin is a sum over the heads that take a pattern, {tables.EFFECT:g} logits for 16 heads,"
    f" times a factor of the pair (lognormal, 0.3), plus noise of {tables.NOISE:g} logits in each prompt and swap; the"
    " placebo does nothing. Edge: the effects of the heads differ as much as their mean, and it does not matter which"
    " of two neighbours takes the pattern. Outside: the swap has the opposite effect. Inside: only it has the effect."
)
SIMULATIONS = {
    "3.2a": Simulation(claims.test_even_patterns_in_odd_heads_raise_the_margin, helped, _NOISE),
    "3.2b": Simulation(claims.test_odd_patterns_in_even_heads_lower_the_margin, harmed, _NOISE),
}
"""The simulations of experiment 3.2, by claim."""
