"""Simulated tables for the claims of experiment 2.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claims.competition.last_token_routes import test_last_token_routes as claims
from claims.competition.last_token_routes.evidence import Routes
from claims.competition.last_token_routes.measure import PLACES
from claims.competition.simulated_heads import (
    APART,
    EVEN,
    SUBJECT,
    Array,
    between_prompts,
    own_levels,
    prompt_rows,
    simulated,
)
from claims.competition.theory import EVEN_HEADS_ROUTE
from claims.simulations import EDGE, Simulation
from fixtures.options import Settings

FORMATS = ("Simple", "Q&A", "Chat")
OF_PAIRS, OF_HEADS = 0.02, 0.03
"""The standard deviations of the shares between pairs, and between heads."""


def measured(rng: np.random.Generator, settings: Settings, shares: Array) -> Routes:
    """Returns the evidence from shares [pair, order, format, head]. One place has all attention on the numbers."""
    rows = prompt_rows(len(shares), FORMATS).assign(layer=SUBJECT.layer, place=PLACES[0], uniform_share=0.3)
    return Routes(rows.assign(attention_share=shares.ravel()), SUBJECT, simulated(rng, settings))


def level(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws a level of the even heads. The claim is true at the edge, where every format is at the threshold."""
    room = np.zeros((3, 1)) if place == EDGE else rng.permutation([[0.0], [0.02], [0.04]])
    own = EVEN_HEADS_ROUTE.criterion.low + place * OF_PAIRS + room
    levels = np.where(EVEN, own, rng.uniform(0.05, 0.2)) + OF_HEADS * own_levels(rng, len(FORMATS), same_mean=True)
    noise = between_prompts(rng, settings.profile.units, len(FORMATS), same_mean=True)
    return {"routes": measured(rng, settings, levels + OF_PAIRS * noise)}


def excess(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws heads that differ at random. Even heads are also higher, or lower, by two standard deviations."""
    levels = rng.uniform(0.1, 0.3) + rng.uniform(0, 0.05, (3, 1)) + OF_HEADS * own_levels(rng, len(FORMATS))
    levels = levels + place * APART * OF_HEADS * (EVEN - 0.5)
    noise = between_prompts(rng, settings.profile.units, len(FORMATS))
    return {"routes": measured(rng, settings, levels + OF_PAIRS * noise)}


SIMULATIONS = {
    "2.1a": Simulation(
        claims.test_even_heads_take_the_last_token_to_the_numbers,
        level,
        "Pairs differ by 0.02 (normal, skewed or with heavy tails), with a correlation of 0.7 between formats; orders"
        " differ by 0.007, each pair's too; heads differ by 0.03, also by key-value group and format. At the edge, all"
        " three formats are at the threshold. Elsewhere the hardest is one standard deviation of the pairs from it.",
    ),
    "2.1b": Simulation(
        claims.test_even_heads_take_the_last_token_to_the_numbers_more_than_odd_heads,
        excess,
        "Noise as in 2.1a, but heads also respond to the pair in different strength. At the edge, heads differ at"
        " random and not by parity. Elsewhere even and odd heads also differ by two standard deviations between heads"
        " (0.06).",
    ),
}
