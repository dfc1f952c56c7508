"""Estimates over pairs of numbers, which are the units of evidence. Each estimate is also made for each order."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd

from fixtures.options import Settings
from referee.judging import statistics
from referee.judging.evidence import Chance
from referee.judging.statistics import Estimate

Table = TypeVar("Table", pd.DataFrame, pd.Series)


def of_order(table: Table, order: str | None) -> Table:
    """Returns the rows of one order of the numbers, or all rows for None. The order is a column or an index level."""
    if order is None:
        return table
    orders = table["order"] if isinstance(table, pd.DataFrame) and "order" in table else None
    return table[(table.index.get_level_values("order") if orders is None else orders) == order]


class OverPairs:
    """Estimates quantities over pairs. The index of the values must have the levels `pair` and `order`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def mean(self, values: pd.Series, order: str | None = None) -> dict[str, Estimate]:
        """Returns the mean over pairs, after a mean over the orders of each pair. Returns {} if there are no values."""
        chosen = of_order(values, order)
        if chosen.empty:
            return {}
        profile = self.settings.profile
        found = statistics.mean_over_units(
            chosen.groupby("pair", sort=False).mean(), seed=self.settings.seed, resamples=profile.resamples
        )
        return {"all": found}

    def share(self, hits: pd.Series, order: str | None = None, *, looks: int = 1) -> dict[str, Estimate]:
        """Returns the share of hits. Returns {} if there are no trials.

        `looks` has the same meaning as in `proportion_over_units`.
        """
        chosen = of_order(hits, order)
        if chosen.empty:
            return {}
        return {"all": statistics.proportion_over_units(chosen, chosen.index.get_level_values("pair"), looks=looks)}


def placebo(world: str, real: pd.Series, other: pd.Series, *, sign: int = 1) -> Chance:
    """Compares the real cause with a placebo, a cause that should have no effect.

    The result vetoes the claim, unless most pairs respond more to the real cause. `sign` is −1 if a response is a
    decrease, and 1 if it is an increase.
    """
    by_pair = (sign * (real.astype(float) - other.astype(float))).groupby("pair", sort=False).mean()
    value = float(other.astype(float).groupby("pair").mean().mean())
    return Chance(world, value, statistics.sign_test(by_pair), veto=True)


def among(world: str, value: float, null: list[float], *, sign: int = 1) -> tuple[Chance, ...]:
    """Compares a value with the values of random groups. Returns () if there are no such groups.

    The result is never a veto, because random groups may have the same effect.
    """
    if not null:
        return ()
    p = statistics.permutation_p(sign * value, sign * np.asarray(null))
    return (Chance(f"{len(null)} {world}, their mean", float(np.mean(null)), p),)
