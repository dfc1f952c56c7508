"""Simulated tables of known truth for claim X1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from claims.new_theory.template.number_attention import test_number_attention as claims
from claims.new_theory.template.number_attention.evidence import NumberAttention
from claims.new_theory.template.theory import NUMBER_DRAWS, THRESHOLD
from claims.simulations import Simulation
from fixtures.options import Settings

_SPREAD = 0.3
"""The standard deviation of the logarithm of the multiples, between sentences."""


def number_attention(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws the multiples of each sentence. The true median of the number is at the threshold, or _SPREAD from it."""
    count = settings.profile.units

    def drawn(median: float) -> np.ndarray:
        return median * np.exp(_SPREAD * rng.normal(size=count))

    number = drawn(THRESHOLD * np.exp(_SPREAD * place))
    names = [f"sentence {i}" for i in range(count)]
    table = {"sentence": names, "number": number, "number_last_row": number, "noun": drawn(1.0)}
    return {"number_attention": NumberAttention(pd.DataFrame(table))}


SIMULATIONS = {
    NUMBER_DRAWS.id: Simulation(
        claims.test_the_number_draws_attention,
        number_attention,
        f"Multiples of uniform attention differ between sentences by a factor of e^{_SPREAD:g} (log-normal).",
    ),
}
