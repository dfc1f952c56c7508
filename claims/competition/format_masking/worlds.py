"""Simulated tables of known truth for the claims of experiment 5.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claims.competition import simulated_edits as tables
from claims.competition.format_masking import test_format_masking as claims
from claims.competition.format_masking.evidence import Masks
from claims.competition.format_masking.measure import MASKED, WHOLLY, mask_arm
from claims.competition.interventions import placebo_of
from claims.competition.theory import MOST
from claims.simulations import Simulation
from fixtures.options import Settings


def masked(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns wrong answers of which every strength repairs the true share, so the best one is chosen by chance."""
    shares: dict[str, float] = {}
    for strength in MASKED:
        own = mask_arm("odd", strength)
        shares |= {own: tables.LIKELY[place], mask_arm("even", strength): MOST}
        shares |= {mask_arm("odd", strength, "other"): tables.IDLE, placebo_of(own): tables.IDLE}
    asked = tables.bugged(rng, settings.profile.swept)
    return {"masks": Masks(tables.turned_by(rng, asked, shares, settings, wrong_before=True))}


def masked_more(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns wrong answers on which the odd heads are compared with other groups of heads."""
    asked = tables.bugged(rng, settings.profile.swept)
    compared = tables.compared(rng, settings, place, lambda group: mask_arm(group, WHOLLY), "odd", asked)
    return {"masks": Masks(compared.edited, compared.in_other_heads)}


SIMULATIONS = {
    "5.2": Simulation(
        claims.test_masking_format_tokens_in_odd_heads_repairs,
        masked,
        f"{tables.SHARES} The true share is 20 %, 50 % or 95 % at each of four strengths, which are drawn independently"
        " for each pair, and 5 % for the placebo.",
    ),
    "5.2b": Simulation(claims.test_masking_format_tokens_repairs_more_in_odd_heads, masked_more, tables.GROUPS),
}
"""The simulations of experiment 5.2, by claim."""
