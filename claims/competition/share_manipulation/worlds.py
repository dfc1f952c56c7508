"""Simulated tables of known truth for the claims of experiment 1.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claims.competition import simulated_edits as tables
from claims.competition.compared import Compared
from claims.competition.interventions import placebo_of
from claims.competition.share_manipulation import test_share_manipulation as claims
from claims.competition.share_manipulation.evidence import Breaking, Manipulation
from claims.competition.share_manipulation.measure import share_arm
from claims.competition.theory import BUG_SET_MINIMUM, EVEN_HEADS_HOLD, EVEN_TARGETS, MOST, ODD_SHARE
from claims.simulations import Simulation
from fixtures.options import Settings

_MILDEST = max(EVEN_TARGETS)
_LOWERED_FURTHER = 0.8
"""The share of the prompts that one target does not break and the next lower one breaks."""


def lowered(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns right answers of which the mildest target breaks the true share, and lower targets break more."""
    asked = tables.right(rng, settings.profile.swept)
    arms = {share_arm("odd", target): tables.turns(rng, asked.pair, tables.IDLE) for target in EVEN_TARGETS}
    broken = np.zeros(len(asked.pair), bool)
    for target in sorted(EVEN_TARGETS, reverse=True):
        share = tables.LIKELY[place] if target == _MILDEST else _LOWERED_FURTHER
        broken = broken | tables.turns(rng, asked.pair, share)
        arms[share_arm("even", target)] = broken
        arms[placebo_of(share_arm("even", target))] = tables.turns(rng, asked.pair, tables.IDLE)
    edited = tables.turned(rng, asked, arms, settings, wrong_before=False)
    return {"manipulation": Manipulation(_breaking(rng, edited, asked, None), None, EVEN_HEADS_HOLD.criterion.low)}


def lowered_more(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns right answers on which the even heads are compared with other groups of heads."""
    asked = tables.right(rng, settings.profile.swept)
    found = tables.compared(
        rng, settings, place, lambda group: share_arm(group, _MILDEST), "even", asked, wrong_before=False
    )
    breaking = _breaking(rng, found.edited, asked, found)
    return {"manipulation": Manipulation(breaking, None, EVEN_HEADS_HOLD.criterion.low)}


def raised(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns wrong answers of which the edit of the odd heads repairs the true share."""
    own, other = share_arm("odd", ODD_SHARE), share_arm("even", ODD_SHARE)
    shown = dict.fromkeys((share_arm("odd", _MILDEST), share_arm("even", _MILDEST)), tables.IDLE)
    shares = {own: tables.LIKELY[place], other: MOST, placebo_of(own): tables.IDLE, **shown}
    asked = tables.bugged(rng, settings.profile.swept)
    compared = Compared(tables.turned_by(rng, asked, shares, settings, wrong_before=True), own, other)
    return {"manipulation": Manipulation(None, compared, EVEN_HEADS_HOLD.criterion.low)}


def raised_more(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns wrong answers on which the odd heads are compared with other groups of heads."""
    asked = tables.bugged(rng, settings.profile.swept)
    compared = tables.compared(rng, settings, place, lambda group: share_arm(group, ODD_SHARE), "odd", asked)
    return {"manipulation": Manipulation(None, compared, EVEN_HEADS_HOLD.criterion.low)}


def _breaking(
    rng: np.random.Generator, edited: tables.Edited, asked: tables.Asked, compared: Compared | None
) -> Breaking:
    """Returns the edits of right answers. A tenth of the prompts have even heads below the mildest target unedited."""
    before = rng.normal(_MILDEST + 0.2, 0.2 / 1.28, len(asked.pair))
    prompts = zip(asked.pair.tolist(), asked.order.tolist(), asked.format.tolist(), strict=True)
    return Breaking(
        edited,
        EVEN_TARGETS if compared is None else (_MILDEST,),
        shares_before={0: dict(zip(prompts, before.tolist(), strict=True))},
        fewest=BUG_SET_MINIMUM,
        in_other_heads=compared.in_other_heads if compared else None,
    )


_RIGHT = (
    "Four fifths of the prompts of a pair are right; a tenth are left out, because their even heads are below the"
    " target unedited."
)
SIMULATIONS = {
    "1.2a": Simulation(
        claims.test_lowering_the_even_heads_share_breaks_right_answers,
        lowered,
        f"Each pair has its own chance to turn (beta distribution, uniform at one half), and its prompts are drawn from"
        f" it. {_RIGHT} The mildest target breaks a true share of 20 %, 50 % or 95 %, and the placebo breaks 5 %.",
    ),
    "1.2c": Simulation(
        claims.test_a_lower_share_breaks_more_in_even_heads_than_in_others,
        lowered_more,
        f"{tables.GROUPS} {_RIGHT}",
    ),
    "1.2b": Simulation(
        claims.test_raising_the_odd_heads_share_turns_wrong_answers_right,
        raised,
        f"{tables.SHARES} The true share is 20 %, 50 % or 95 %, and 5 % for the placebo.",
    ),
    "1.2d": Simulation(claims.test_a_higher_share_helps_more_in_odd_heads_than_in_others, raised_more, tables.GROUPS),
}
"""The simulations of experiment 1.2, by claim."""
