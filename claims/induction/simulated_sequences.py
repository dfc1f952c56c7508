"""Parts of simulated tables: noise between sequences, and subjects with many heads."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.induction.predictions import ACCURACY, LOG_PROBABILITY
from claims.induction.sequences import FIRST, LENGTH, SECOND
from claims.simulations import bent

Array = NDArray[np.float64]
SHAPES = "normal, skewed to either side, or with heavy tails"
"""The shapes of noise, in words."""


def noise(rng: np.random.Generator, count: int) -> Array:
    """Returns noise with median 0 and a standard deviation of about 1, [sequence]. Each call chooses one of SHAPES."""
    return bent(rng, rng.normal(size=count))


def copied(rng: np.random.Generator, chance: float, count: int) -> Array:
    """Returns the share of a half's tokens that is predicted, [sequence]. Each sequence has its own chance (beta)."""
    return rng.binomial(LENGTH, rng.beta(4 * chance, 4 * (1 - chance), count)) / LENGTH


def simulated_predictions(arms: dict[str, Array], first: Array | None = None) -> pd.DataFrame:
    """Returns a table of `predictions`.

    Args:
        arms: the share of the second half that is predicted, [sequence] by arm. The log probability is that share
            minus 1.
        first: the share of the first half, [sequence]. None: the table has no columns of the first half.
    """
    tables = []
    for arm, second in arms.items():
        halves = {SECOND: second} if first is None else {FIRST: first, SECOND: second}
        columns = {ACCURACY[half]: share for half, share in halves.items()}
        columns |= {LOG_PROBABILITY[half]: share - 1 for half, share in halves.items()}
        tables.append(pd.DataFrame({"sequence": range(len(second)), "arm": arm} | columns))
    return pd.concat(tables, ignore_index=True)
