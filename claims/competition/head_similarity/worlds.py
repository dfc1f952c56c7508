"""Simulated correlations for claim 3.1."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from claims.competition.head_similarity import test_head_similarity as claims
from claims.competition.head_similarity.evidence import Similarity
from claims.competition.head_similarity.measure import FORMATS, MEASURES
from claims.competition.prompts import ORDERS, Prompt, ask, pairs
from claims.competition.simulated_heads import (
    EVEN,
    FAR_APART,
    HEADS,
    KV_GROUP_OF_HEAD,
    KV_GROUPS,
    SUBJECT,
    own_levels,
    simulated,
)
from claims.simulations import Simulation, bent
from fixtures.options import Settings

OF_HEADS = 0.3
"""The standard deviation of the logarithm of the heads' own parts, between heads."""
_FEATURES = 40
"""The number of independent features of a pattern."""


def draw(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws patterns with a part that all heads have, one of the key-value group, one of the head, and noise.

    The size of the own part differs between heads at random. In even heads it is also smaller, or larger, by three
    standard deviations of its logarithm. Heads with small own parts are like each other.
    """
    count, trials = settings.profile.swept, len(ORDERS) * len(FORMATS)
    shared, of_group = rng.normal(size=(1, _FEATURES)), 0.5 * rng.normal(size=(KV_GROUPS, _FEATURES))[KV_GROUP_OF_HEAD]
    sizes = np.exp(OF_HEADS * (own_levels(rng)[0] - place * FAR_APART * (EVEN - 0.5)))
    strength = np.exp(0.2 * bent(rng, rng.normal(size=(count, 1))).clip(-3, 3) + 0.1 * rng.normal(size=(count, trials)))
    own = sizes[:, None] * rng.normal(size=(HEADS, _FEATURES))
    patterns = shared + of_group + own * strength.reshape(-1, 1, 1)
    patterns = patterns + 0.3 * rng.normal(size=(count * trials, HEADS, _FEATURES))
    patterns /= np.linalg.norm(patterns, axis=-1, keepdims=True)
    found = dict.fromkeys(MEASURES, patterns @ patterns.swapaxes(1, 2))
    return {"similarity": Similarity(found, _prompts(count), SUBJECT, simulated(rng, settings))}


@lru_cache(maxsize=8)
def _prompts(count: int) -> tuple[Prompt, ...]:
    return tuple(ask(pairs(count), FORMATS))


SIMULATIONS = {
    "3.1": Simulation(
        claims.test_even_heads_resemble_each_other_more_than_odd_heads,
        draw,
        "Patterns of 40 features share a part, and have parts of the key-value group and of the head. The head's part"
        " differs by 20 % between pairs and by 10 % between prompts, and each prompt adds noise of 0.3. Its size"
        " differs between heads by 30 % (one standard deviation of the logarithm). At the edge it differs at random and"
        " not by parity. Elsewhere even and odd heads also differ by three such deviations.",
    )
}
