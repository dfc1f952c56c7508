"""Simulated tables for claim 2.3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claims.competition.bandwidth_distribution.measure import ALL_ROWS
from claims.competition.position_sensitivity import test_position_sensitivity as claims
from claims.competition.position_sensitivity.evidence import Positions
from claims.competition.prompts import POSITIONS
from claims.competition.simulated_heads import (
    EVEN,
    FAR_APART,
    HEADS,
    SUBJECT,
    between_prompts,
    own_levels,
    prompt_rows,
    simulated,
)
from claims.simulations import Simulation
from fixtures.options import Settings

OF_HEADS = 0.3
"""The standard deviation of the logarithm of how much the heads vary, between heads."""
_VARIATION, _OF_PAIRS = 0.08, 0.03


def draw(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws shares that vary over the placements. How much they vary differs between heads at random.

    The even heads also vary less, or more, by three standard deviations of the logarithm.
    """
    names = tuple(format.name for format in POSITIONS)
    variation = own_levels(rng)[0] - place * FAR_APART * (EVEN - 0.5)
    pattern = np.sqrt(0.5) * (rng.normal(size=(len(names), 1)) + rng.normal(size=(len(names), HEADS)))
    shares = 0.5 + _VARIATION * np.exp(OF_HEADS * variation) * pattern
    noise = between_prompts(rng, settings.profile.swept, len(names))
    table = prompt_rows(settings.profile.swept, names).assign(layer=SUBJECT.layer, measure=ALL_ROWS)
    table = table.assign(numerical_share=(shares + _OF_PAIRS * noise).ravel())
    return {"positions": Positions(table, SUBJECT, simulated(rng, settings))}


SIMULATIONS = {
    "2.3": Simulation(
        claims.test_even_heads_vary_less_with_the_place_of_the_numbers,
        draw,
        "Shares vary by 0.08 over the placements, in part alike in all heads, and by 0.03 between pairs and from prompt"
        " to prompt. Heads differ by 30 % (one standard deviation of the logarithm) in how much they vary. At the edge"
        " they differ at random and not by parity. Elsewhere even and odd heads also differ by three such deviations.",
    )
}
