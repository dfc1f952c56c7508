"""Simulated tables of known truth for claim I4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from claims.induction.named import Named
from claims.induction.previous_tokens import test_previous_tokens as claims
from claims.induction.previous_tokens.evidence import Feeding
from claims.induction.previous_tokens.measure import KNOCKED_OUT, SILENT
from claims.induction.simulated_sequences import SHAPES, noise
from claims.induction.theory import COMPARED
from claims.simulations import EDGE, INSIDE, OUTSIDE, Simulation
from fixtures.options import Settings

FALL = {OUTSIDE: -0.1, EDGE: 0.0, INSIDE: 0.3}
"""The true fall of the prefix-matching score, by place."""
OF_SEQUENCES, OF_SETS = 0.08, 0.03
"""The standard deviations of the fall between sequences, and of each knock-out in a sequence."""


def fed(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws the falls of knock-outs.

    At the edge there are two kinds of tables: nothing falls, or the previous-token heads are like any other set.
    """
    profile, falls = settings.profile, [FALL[place], *[0.0] * settings.profile.groups]
    if place == EDGE and rng.random() < 0.5:
        falls = rng.normal(FALL[INSIDE], 0.1, 1 + profile.groups).tolist()
    return {"feeding": evidence(rng, falls[0], falls[1:], profile.swept)}


def evidence(rng: np.random.Generator, own: float, others: Sequence[float], count: int) -> Feeding:
    """Returns the evidence of knock-outs from the true falls of the score.

    Args:
        rng: source of the noise.
        own: the fall without the previous-token heads.
        others: the fall without other sets of heads, [set].
        count: the number of sequences.
    """
    before, of_sequence = 0.5 + 0.2 * rng.random(count), OF_SEQUENCES * noise(rng, count)

    def table(falls: Mapping[str, float], some: int) -> pd.DataFrame:
        arms = [
            pd.DataFrame(
                {
                    "sequence": range(some),
                    "arm": arm,
                    "prefix_matching": (before - fall - of_sequence - OF_SETS * rng.normal(size=count))[:some],
                }
            )
            for arm, fall in falls.items()
        ]
        return pd.concat(arms, ignore_index=True)

    sets = {f"set {i + 1}": fall for i, fall in enumerate(others)}
    edited = table({KNOCKED_OUT: own, SILENT: own}, count)
    return Feeding(
        pd.Series(before),
        edited,
        table(sets, COMPARED) if sets else edited.iloc[:0],
        existing=len(sets),
        named=Named(((5, 0), (6, 1)), ((2, 0), (3, 1)), ()),
    )


SIMULATIONS = {
    "I4": Simulation(
        claims.test_previous_token_heads_feed_the_induction_heads,
        fed,
        f"Falls differ by {OF_SEQUENCES:g} between sequences ({SHAPES}), and by {OF_SETS:g} between knock-outs of a"
        f" sequence. The true fall is {FALL[OUTSIDE]:g}, {FALL[EDGE]:g} or {FALL[INSIDE]:g}, and 0 in other sets of"
        f" heads. In half of the tables at the edge, the named heads are instead like any other set: the fall is"
        f" {FALL[INSIDE]:g}, and sets differ by 0.1.",
    )
}
"""The simulation of experiment I4, by claim."""
