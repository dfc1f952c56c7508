"""Simulated tables for the claims of experiment 1.1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from claims.competition.bandwidth_distribution import test_bandwidth_distribution as claims
from claims.competition.bandwidth_distribution.evidence import Distribution
from claims.competition.bandwidth_distribution.measure import ALL_ROWS, UNIFORM
from claims.competition.prompts import CATEGORIES
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
from claims.competition.theory import EVEN_HEADS_HOLD
from claims.simulations import Simulation
from fixtures.attacks import Attack
from fixtures.options import Settings

FORMATS = ("Simple", "Q&A", "Chat")
THRESHOLD = EVEN_HEADS_HOLD.criterion.low
OF_PAIRS, OF_HEADS = 0.06, 0.08
"""The standard deviations of the shares between pairs, and between heads."""
_ROOM = np.array([[0.2], [0.1], [0.0]])
"""How much higher the shares are than in the format in which they are lowest, [format, 1]."""


def measured(rng: np.random.Generator, settings: Settings, shares: Array) -> Distribution:
    """Returns the evidence from shares [pair, order, format, head]. Uniform attention has 0.3."""
    rows = prompt_rows(len(shares), FORMATS)
    tables = [
        rows.assign(layer=SUBJECT.layer, measure=measure, **dict.fromkeys((f"{c}_share" for c in CATEGORIES), share))
        for measure, share in ((ALL_ROWS, shares.ravel()), (UNIFORM, 0.3))
    ]
    return Distribution(pd.concat(tables, ignore_index=True), SUBJECT, simulated(rng, settings))


def level(
    heads: Array, lowest: int | None, direction: int, rng: np.random.Generator, settings: Settings, place: int
) -> Mapping[str, Any]:
    """Draws a level of some heads. In the hardest format it is at the threshold, or 1 standard deviation from it.

    `lowest` is the index of this format; None: any. `direction` is −1 if the claim says "below the threshold".
    """
    room = rng.permutation(_ROOM) if lowest is None else np.roll(_ROOM, lowest - 2, axis=0)
    own = THRESHOLD + direction * place * OF_PAIRS + direction * room
    levels = np.where(heads, own, rng.uniform(0.1, 0.8)) + OF_HEADS * own_levels(rng, len(FORMATS), same_mean=True)
    count = settings.profile.units
    shares = levels + OF_PAIRS * between_prompts(rng, count, len(FORMATS), same_mean=True)
    return {"bandwidth": measured(rng, settings, shares)}


def excess(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws heads that differ at random. Even heads are also higher, or lower, by two standard deviations."""
    levels = rng.uniform(0.3, 0.6) + rng.permutation(_ROOM) + OF_HEADS * own_levels(rng, len(FORMATS))
    levels = levels + place * APART * OF_HEADS * (EVEN - 0.5)
    shares = levels + OF_PAIRS * between_prompts(rng, settings.profile.units, len(FORMATS))
    return {"bandwidth": measured(rng, settings, shares)}


def _with_attack(draw: Callable[..., Mapping[str, Any]]) -> Callable[..., Mapping[str, Any]]:
    """Returns the same measurements with an attack that tried nothing."""

    def drawn(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
        return {**draw(rng, settings, place), "attack_on_formats": Attack(tried=0, counterexample=None)}

    return drawn


_LEVEL = (
    "Pairs differ by 0.06 (normal, skewed or with heavy tails), with a correlation of 0.7 between formats; orders"
    " differ by 0.02, each pair's too; heads differ by 0.08, also by key-value group and format. The hardest format is"
    " at the threshold, or one standard deviation of the pairs (0.06) from it; the others are 0.1 and 0.2 further in."
)
_EXCESS = (
    "Noise between pairs, orders and heads as in the levels, but heads also respond to the pair in different strength."
    " At the edge, heads differ at random and not by parity. Elsewhere even and odd heads also differ by two standard"
    " deviations between heads (0.16)."
)

SIMULATIONS = {
    "1.1a": Simulation(
        claims.test_even_heads_keep_most_of_their_attention_on_the_numbers_in_every_format,
        _with_attack(partial(level, EVEN, None, 1)),
        _LEVEL,
    ),
    "1.1c": Simulation(
        claims.test_even_heads_keep_more_attention_on_the_numbers_than_other_heads_in_every_format, excess, _EXCESS
    ),
    "1.1b": Simulation(
        claims.test_odd_heads_keep_little_attention_on_the_numbers_in_the_question_format,
        partial(level, ~EVEN, FORMATS.index("Q&A"), -1),
        _LEVEL,
    ),
    "1.1d": Simulation(
        claims.test_odd_heads_keep_most_of_their_attention_on_the_numbers_in_the_simple_format,
        partial(level, ~EVEN, FORMATS.index("Simple"), 1),
        _LEVEL,
    ),
    "1.1e": Simulation(
        claims.test_odd_heads_keep_less_attention_on_the_numbers_than_other_heads_in_the_question_format,
        excess,
        _EXCESS,
    ),
}
