"""Simulated tables of known truth for claim S2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claims.induction.idle_attention import test_idle_attention as claims
from claims.induction.idle_attention.evidence import Idle
from claims.induction.idle_attention.measure import BETWEEN_OTHERS, FROM_FIRST
from claims.induction.simulated_sequences import Array, simulated_predictions
from claims.simulations import EDGE, INSIDE, OUTSIDE, Simulation
from fixtures.options import Settings

SIZE = {OUTSIDE: 0.3, EDGE: 1.0, INSIDE: 3.0}
"""The true size of the change when attention moves from the first token, by place. Between others it is 1."""
OF_SEQUENCES = 0.6
"""The standard deviation of the logarithm of a change."""


def moved(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws the changes by both moves. At the edge they have the same distribution."""
    count, sign = settings.profile.swept, rng.choice([-1, 1], 2)

    def changes(size: float, sign: float) -> Array:
        return sign * size * rng.lognormal(sigma=OF_SEQUENCES, size=count)

    return {"idle": evidence({FROM_FIRST: changes(SIZE[place], sign[0]), BETWEEN_OTHERS: changes(1.0, sign[1])})}


def evidence(changes: Mapping[str, Array]) -> Idle:
    """Returns the evidence from changes of the log probability, [sequence] by arm."""
    count = len(next(iter(changes.values())))
    table = simulated_predictions({"before": np.zeros(count)} | dict(changes))
    edited = table["arm"] != "before"
    return Idle(table[~edited], table[edited], ((2, 0), (3, 1)), resolution=1e-3)


SIMULATIONS = {
    "S2": Simulation(
        claims.test_attention_on_the_first_token_is_idle,
        moved,
        f"The changes are lognormal ({OF_SEQUENCES:g}), each of one sign in all sequences. The move from the first"
        f" token changes {SIZE[OUTSIDE]:g}, {SIZE[EDGE]:g} or {SIZE[INSIDE]:g} times as much as the move between"
        " others.",
    )
}
"""The simulation of experiment S2, by claim."""
