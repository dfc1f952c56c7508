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

    def median(self, values: pd.Series, order: str | None = None, *, resolution: float = 0.0) -> dict[str, Estimate]:
        """Returns the median over pairs, after a mean over the trials of each pair. Returns {} if there are no values.

        A value of at most the size `resolution` counts as 0.
        """
        chosen = of_order(values, order)
        if chosen.empty:
            return {}
        pairs = chosen.index.get_level_values("pair").tolist()
        return {"all": statistics.median(chosen, pairs, resolution=resolution)}

    def share(self, hits: pd.Series, order: str | None = None) -> dict[str, Estimate]:
        """Returns the share of hits. Each pair counts with the mean of its trials. Returns {} without trials."""
        chosen = of_order(hits, order)
        if chosen.empty:
            return {}
        return {"all": statistics.share(chosen, chosen.index.get_level_values("pair").tolist())}


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

    The result vetoes the claim unless the value is beyond almost all of them.
    """
    if not null:
        return ()
    p = statistics.permutation_p(sign * value, sign * np.asarray(null))
    return (Chance(f"{len(null)} {world}, their mean", float(np.mean(null)), p, veto=True),)


def as_large(rival: pd.Series, own: pd.Series, *, sign: int = 1, resolution: float = 0.0) -> bool:
    """Returns True if the real cause does not beat a rival beyond noise.

    It beats the rival if the whole interval of the median difference over pairs lies above zero. The means alone would
    decide nothing if both have the same effect. `sign` and the index are those of `placebo`.
    """
    by_pair = (sign * (own - rival)).groupby("pair", sort=False).mean()
    return statistics.median(by_pair, resolution=resolution).low <= 0
