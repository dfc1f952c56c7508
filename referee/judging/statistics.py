"""Exact intervals, tests, corrections and random head splits, with numpy and scipy and without resampling."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import combinations
from math import comb, inf

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]
Limits = Callable[[float], tuple[float, float]]
TAIL = 0.025
"""The largest probability with which each limit of an interval is wrong. Together the two limits cover 95 %."""
_STAKES = np.linspace(0.0, 1.0, 40, endpoint=False)


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % interval.

    Attributes:
        value: the measured value.
        low: lower limit of the interval.
        high: upper limit of the interval.
        n: number of independent units.
        limits: returns the interval each of whose limits is wrong with at most the given probability. The verdicts and
            the p-values both come from it.
        tied: True if the interval has no width although some values differ. Most of them may be equal by chance.
    """

    value: float
    low: float
    high: float
    n: int
    limits: Limits | None = field(default=None, compare=False, repr=False)
    tied: bool = False

    def interval(self, tail: float) -> tuple[float, float]:
        """Return the interval each of whose limits is wrong with at most the probability `tail`."""
        return self.limits(tail) if self.limits else (self.low, self.high)

    def among(self, parts: int) -> tuple[float, float]:
        """Return the 95 % interval that is valid for all of so many estimates together (Bonferroni)."""
        return self.interval(TAIL / parts)


def share(hits: ArrayLike, units: Sequence) -> Estimate:
    """Return the mean of a quantity from 0 to 1 over units. The interval is valid for every n and every distribution.

    If each unit has the value 0 or 1, the interval is the exact one (Clopper & Pearson 1934). Else it is a betting
    interval (Waudby-Smith & Ramdas 2024): a mean is excluded if a gambler, who would not gain on average if it were
    true, has multiplied his capital by 1 / tail. He divides his capital evenly among fixed stakes.

    Args:
        hits: [trial], true or false, or shares. Raises ValueError for a value outside 0 to 1.
        units: [trial], the unit of each trial. Each unit counts with the mean of its trials.
    """
    values = _by_unit(hits, units)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"A share must be from 0 to 1; got {values[~((values >= 0) & (values <= 1))]}")
    n = len(values)
    limits = _exact_limits(int(values.sum()), n) if np.isin(values, (0, 1)).all() else _betting_limits(values)
    return Estimate(float(values.mean()), *limits(TAIL), n, limits)


def proportion(successes: int, n: int) -> Estimate:
    """Return a share of n independent units, with the exact 95 % interval (Clopper & Pearson 1934)."""
    limits = _exact_limits(successes, n)
    return Estimate(successes / n, *limits(TAIL), n, limits)


def _exact_limits(successes: int, n: int) -> Limits:
    return lambda tail: _clopper_pearson(successes, n, tail)


@lru_cache(maxsize=4096)
def _clopper_pearson(successes: int, n: int, tail: float) -> tuple[float, float]:
    low = stats.beta.ppf(tail, successes, n - successes + 1) if successes else 0.0
    high = stats.beta.isf(tail, successes + 1, n - successes) if successes < n else 1.0
    return float(low), float(high)


def _betting_limits(values: Array) -> Limits:
    def low(values: Array, tail: float) -> float:
        excluded, possible = 0.0, float(values.mean())
        for _ in range(30):
            mean = (excluded + possible) / 2
            wealth = np.exp(np.log1p(_STAKES[:, None] * (values / mean - 1)).sum(1)).mean()
            excluded, possible = (mean, possible) if wealth >= 1 / tail else (excluded, mean)
        return excluded

    @cache  # one verdict asks for the same limits several times
    def limits(tail: float) -> tuple[float, float]:
        return low(values, tail), 1 - low(1 - values, tail)

    return limits


def median(values: ArrayLike, units: Sequence | None = None, *, resolution: float = 0.0) -> Estimate:
    """Return the median over units. The interval is exact for every n and every distribution.

    The limits are order statistics (the inverse of the sign test). With fewer than six units no such interval covers
    95 %. Then `low` and `high` are the smallest and the largest value, and `limits` returns infinities.

    Args:
        values: [trial]. A censored value is infinite. Raises ValueError for not-a-number.
        units: [trial], the unit of each trial. Each unit counts with the mean of its trials. None: each is a unit.
        resolution: values of at most this size count as 0.
    """
    found = np.sort(_by_unit(values, range(np.size(values)) if units is None else units))
    if np.isnan(found).any():
        raise ValueError(f"A median needs numbers; got {np.isnan(found).sum()} that are none")
    found = np.where(np.abs(found) <= resolution, 0.0, found)
    n = len(found)

    def limits(tail: float) -> tuple[float, float]:
        rank = _rank(n, tail)
        return (float(found[rank - 1]), float(found[n - rank])) if rank else (-inf, inf)

    low, high = limits(TAIL)
    low, high = max(low, float(found[0])), min(high, float(found[-1]))
    tied = low == high and not np.allclose(found, low, rtol=0, atol=max(resolution, 1e-12))
    return Estimate(_middle(found), low, high, n, limits, tied)


@lru_cache(maxsize=4096)
def _rank(n: int, tail: float) -> int:
    """Return the rank of the lower limit of the median among n sorted values, from 1. 0 means that no value is one.

    `tail` is the largest probability that the limit is wrong.
    """
    return int(stats.binom.ppf(tail, n, 0.5))


def crossed(values: ArrayLike, rows: Sequence, columns: Sequence) -> Estimate:
    """Return the median over two factors that both vary, such as pairs and phrasings.

    The distances of the limits from the value are those of the medians over rows and over columns, added in quadrature.
    So both factors count, as in the pigeonhole bootstrap (Owen 2007). If no row occurs with two columns, the rows of a
    column belong to it alone, and the interval over columns is enough. `n` is the smaller number of levels.

    Args:
        values: [trial].
        rows: [trial], the level of the first factor.
        columns: [trial], the level of the second factor.
    """
    over_columns = median(values, columns)
    if len(set(zip(rows, columns, strict=True))) == len(set(rows)):
        return over_columns
    over_rows = median(values, rows)
    lowest, highest = float(np.min(values)), float(np.max(values))

    def limits(tail: float) -> tuple[float, float]:
        ends = [(e.value - low, high - e.value) for e in (over_rows, over_columns) for low, high in [e.interval(tail)]]
        below, above = np.hypot(*np.asarray(ends))
        return max(over_columns.value - below, lowest), min(over_columns.value + above, highest)

    n, tied = min(over_rows.n, over_columns.n), over_rows.tied and over_columns.tied
    return Estimate(over_columns.value, *limits(TAIL), n, limits, tied)


def _by_unit(values: ArrayLike, units: Sequence) -> Array:
    """Return the mean of each unit, [unit]."""
    _, cluster = np.unique(np.asarray(units), return_inverse=True)
    return np.bincount(cluster, np.asarray(values, float)) / np.bincount(cluster)


def _middle(ordered: Array) -> float:
    """Return the median of sorted values. The middle of a number and infinity is infinity."""
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def mcnemar(better: int, worse: int) -> float:
    """Return the exact one-sided p-value of McNemar's test: under the null, a change for the better has probability ½.

    `better` and `worse` count the units that differ between two conditions. Without such units, the result is 1.
    """
    if not better + worse:
        return 1.0
    return float(stats.binomtest(better, better + worse, alternative="greater").pvalue)


def sign_test(differences: ArrayLike) -> float:
    """Return the one-sided p-value of the sign test: both signs are equally likely under the null hypothesis.

    A difference of zero counts as not positive.
    """
    differences = np.asarray(differences, float)
    return float(stats.binomtest(int((differences > 0).sum()), len(differences), alternative="greater").pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for a family of tests (Holm 1979), in the given order."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(np.asarray(p, float)[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = raised.clip(max=1)
    return found.tolist()


def heads_beyond(values: ArrayLike, threshold: float, *, sign: int) -> NDArray[np.bool_]:
    """Return which heads have a mean beyond a threshold, at a false discovery rate of 5 % over all heads; [head].

    Each head has a one-sided t-test over units. The p-values are corrected for all heads together (Benjamini & Hochberg
    1995).

    Args:
        values: [unit, head].
        sign: +1 tests for above the threshold, and −1 for below it.
    """
    distance = sign * (np.asarray(values, float) - threshold)
    spread = distance.std(axis=0)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy's, for heads without spread; see below
        p = stats.ttest_1samp(distance, 0, axis=0, alternative="greater").pvalue
    # A head without spread needs no test: every value equals the mean, so only the sign of the mean decides.
    p = np.where(spread > 1e-12, p, np.where(distance.mean(axis=0) > 0, 0.0, 1.0))
    return stats.false_discovery_control(p) <= 0.05


def group_splits(
    group_of_head: Sequence[int], members: Sequence[int], *, balanced: bool, seed: int, count: int = 10_000
) -> NDArray[np.bool_]:
    """Return other head groups of the same size as `members`; [split, head].

    If at most `count` groups exist, the result contains all of them except `members` itself. It may be empty. Otherwise
    it contains `count` random groups.

    Args:
        group_of_head: [head], the key-value group of each head.
        members: the heads of the observed group.
        balanced: whether each split has as many heads of each key-value group as `members` has. Then a difference
            between key-value groups cannot look like a difference between the groups of heads.
        seed: the seed of the random groups.
        count: the largest number of groups to return.
    """
    return _group_splits(tuple(group_of_head), tuple(members), balanced, seed, count)


@lru_cache(maxsize=64)
def _group_splits(
    group_of_head: tuple[int, ...], members: tuple[int, ...], balanced: bool, seed: int, count: int
) -> NDArray[np.bool_]:
    heads = np.arange(len(group_of_head))
    blocks = [heads[np.asarray(group_of_head) == g] for g in sorted(set(group_of_head))] if balanced else [heads]
    chosen = [sum(head in set(members) for head in block) for block in blocks]
    rng = np.random.default_rng(seed)
    if np.prod([float(comb(len(b), k)) for b, k in zip(blocks, chosen, strict=True)]) <= count:
        every = _every_split(blocks, chosen, len(heads))
        return _unchangeable(every[(every != np.isin(heads, members)).any(axis=1)])
    splits = np.zeros((count, len(heads)), dtype=bool)
    for block, k in zip(blocks, chosen, strict=True):
        ranks = rng.random((count, len(block))).argsort(axis=1).argsort(axis=1)
        splits[:, block] = ranks < k
    return _unchangeable(splits)


def _unchangeable(splits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark an array as read-only, because later calls return the same one."""
    splits.setflags(write=False)
    return splits


def _every_split(blocks: list[NDArray], chosen: list[int], n_heads: int) -> NDArray[np.bool_]:
    splits = np.zeros((1, n_heads), dtype=bool)
    for block, k in zip(blocks, chosen, strict=True):
        options = np.zeros((comb(len(block), k), n_heads), dtype=bool)
        for row, members in zip(options, combinations(block, k), strict=True):
            row[list(members)] = True
        splits = (splits[:, None] | options[None]).reshape(-1, n_heads)
    return splits


def permutation_p(observed: float, null: ArrayLike) -> float:
    """Return p = (1 + b) / (1 + B), where b of the B null values are at least `observed` (Phipson & Smyth 2010)."""
    null = np.asarray(null, float)
    # A sum in another order can differ in the last bit, so a null value that is almost equal counts as equal.
    as_large = (null >= observed - 1e-12 * max(1.0, abs(observed))).sum()
    return float((1 + as_large) / (1 + null.size))
