"""Whether the number of heads decides a repair, or which heads they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from referee.judging import statistics

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """Shares of the variance of success (adjusted R²).

    Attributes:
        by_count: share explained by the number of heads. Each number is one level.
        by_count_and_identity: share explained by the number of heads, and by which heads they are.
        low, high: 95 % interval of the difference of the two shares (jackknife over pairs). It is not-a-number with
            fewer than two pairs.
        n: number of pairs.
    """

    by_count: float
    by_count_and_identity: float
    low: float
    high: float
    n: int

    @property
    def gain(self) -> float:
        """The difference of the two shares."""
        return self.by_count_and_identity - self.by_count


def explained(table: pd.DataFrame) -> Explained:
    """Returns what the number of heads and their identity explain of the success.

    The results are not-a-number if success never changes. `table` has the columns `pair`, `count`, `heads`, `right`.
    """
    counts = pd.get_dummies(table["count"]).to_numpy(float)
    all_heads = sorted({head for heads in table["heads"] for head in heads})
    identity = np.array([[head in heads for head in all_heads] for heads in table["heads"]], float)
    x, right = np.hstack([counts, identity]), table["right"].to_numpy(float)
    pairs = [np.flatnonzero(table["pair"] == pair) for pair in table["pair"].unique()]
    parts = [_Sums.of(x[rows], right[rows]) for rows in pairs]
    whole, width, n = sum(parts[1:], parts[0]), counts.shape[1], len(parts)
    by_count, by_both = whole.adjusted(width), whole.adjusted(x.shape[1])
    if n < 2:
        return Explained(by_count, by_both, np.nan, np.nan, n)
    without = [whole - part for part in parts]
    left_out = np.array([rest.adjusted(x.shape[1]) - rest.adjusted(width) for rest in without])
    error = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    reach = float(stats.t.ppf(0.975, n - 1) * error)
    gain = by_both - by_count
    return Explained(by_count, by_both, gain - reach, gain + reach, n)


@dataclass(frozen=True)
class _Sums:
    """The sums from which a least-squares fit of y on the columns of x follows."""

    n: int
    y: float
    yy: float
    xy: Array
    xx: Array

    @classmethod
    def of(cls, x: Array, y: Array) -> _Sums:
        return cls(len(y), float(y.sum()), float(y @ y), x.T @ y, x.T @ x)

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.n + other.n, self.y + other.y, self.yy + other.yy, self.xy + other.xy, self.xx + other.xx
        )  # fmt: skip

    def __sub__(self, other: _Sums) -> _Sums:
        return self + _Sums(-other.n, -other.y, -other.yy, -other.xy, -other.xx)

    def adjusted(self, columns: int) -> float:
        """Returns the R² of the first columns, adjusted for their rank. These columns must span the constant."""
        xx, xy = self.xx[:columns, :columns], self.xy[:columns]
        rank = int(np.linalg.matrix_rank(xx, hermitian=True))
        total = self.yy - self.y**2 / self.n
        if total < 1e-9 or self.n <= rank:
            return float("nan")
        residual = self.yy - xy @ np.linalg.pinv(xx, rcond=1e-10, hermitian=True) @ xy
        return float(1 - residual / total * (self.n - 1) / (self.n - rank))


FOURTH, TWELVE = 4, 12
"""The published hints: blocks with a number divisible by 4 repair always, and block 12 is among them."""


def hints(table: pd.DataFrame, counts: Sequence[int]) -> tuple[str, ...]:
    """Returns notes on two rivals of the number of heads: heads ≡ 0 mod 4, and head 12.

    A note is left out if the subsets do not differ in it.

    Args:
        table: the table of `head_subsets` for the even heads.
        counts: numbers of heads. Only subsets of these sizes are counted.
    """
    near = table[table["count"].isin(counts)]
    sizes = " and ".join(map(str, counts))

    def listed(group_of: Callable[[tuple[int, ...]], object]) -> str | None:
        groups = near["heads"].map(group_of)
        if groups.nunique() < 2:
            return None
        texts = []
        for group in sorted(groups.unique()):
            chosen = near[groups == group]
            e = statistics.share(chosen["right"], chosen["pair"].tolist())
            texts.append(f"{group}: {e.value:.0%} [{e.low:.0%}, {e.high:.0%}] (n = {e.n})")
        return "; ".join(texts)

    fourths = listed(lambda heads: sum(head % FOURTH == 0 for head in heads))
    twelve = listed(lambda heads: "with" if TWELVE in heads else "without")
    subsets = f"Subsets of {sizes} even heads that repair"
    published = (
        "Published, on blocks of the output: the blocks ≡ 0 mod 4 repair always, 40.4 % of subsets of 7 and 59.4 % of"
        " subsets of 8 repair."
    )
    return (
        *([f"{subsets}, by the number of their heads ≡ 0 mod 4: {fourths}. {published}"] if fourths else []),
        *([f"{subsets}, with and without head {TWELVE}: {twelve}."] if twelve else []),
    )
