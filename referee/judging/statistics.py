"""Intervals, tests, corrections and random head splits, with numpy and scipy and without loops over resamples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A measured value, its 95 % interval from `low` to `high`, and the number `n` of independent units."""

    value: float
    low: float
    high: float
    n: int


def mean_over_units(values: ArrayLike, *, seed: int, resamples: int = 10_000) -> Estimate:
    """Return the mean over units, with a bootstrap interval.

    The interval is the bias-corrected accelerated one (BCa, Efron 1987), at the expanded level of `level`. Where BCa is
    not defined, it is the percentile interval at the same level. Raises ValueError for values that are not finite.

    Args:
        values: [unit], finite. Each is already the mean over the trials of its unit, so that the units are the
            clusters.
        seed: the seed of the resamples.
    """
    values = np.asarray(values, float)
    if not np.isfinite(values).all():
        raise ValueError(f"A mean needs finite values; got {values[~np.isfinite(values)]}")
    point, n = float(values.mean()), len(values)
    # With one value, or with equal values, every resample is the same, so the interval is one point.
    if n < 2 or np.ptp(values) == 0:
        return Estimate(point, point, point, n)

    def interval(method: str) -> tuple[float, float]:
        # BCa divides 0 by 0 when the statistic stays the same whichever value is left out.
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            found = stats.bootstrap(
                (values,), np.mean, method=method, confidence_level=level(n), n_resamples=resamples,
                vectorized=True, batch=max(1, 2_000_000 // n), rng=np.random.default_rng(seed),
            )  # fmt: skip
        return found.confidence_interval

    low, high = interval("BCa")
    if not np.isfinite([low, high]).all():
        low, high = interval("percentile")
    return Estimate(point, float(low), float(high), n)


def median_over_units(values: ArrayLike, units: Sequence, *, seed: int, resamples: int = 10_000) -> Estimate:
    """Return the median over all values, with a bootstrap interval.

    The bootstrap resamples whole units. The interval is the percentile interval at the expanded level of `level`.
    Raises ValueError for values that are not numbers.

    Args:
        values: [value]. A censored value is infinite. It counts as larger than all others, and no mean contains it.
        units: [value], the unit of each value. The units are the clusters.
        seed: the seed of the resamples.
    """
    values = np.asarray(values, float)
    if np.isnan(values).any():
        raise ValueError(f"A median needs numbers; got {np.isnan(values).sum()} that are none")
    order = np.argsort(values, kind="stable")
    values = values[order]
    _, cluster = np.unique(np.asarray(units)[order], return_inverse=True)
    n = int(cluster.max()) + 1
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    point = float(_weighted_median(values, np.ones((1, len(values))))[0])
    medians = np.sort(_weighted_median(values, draws[:, cluster]))
    tail = (1 - level(n)) / 2 if n > 1 else 0.0
    # The ends are order statistics without interpolation, because a number and infinity have no middle.
    low, high = medians[int(tail * resamples)], medians[resamples - 1 - int(tail * resamples)]
    return Estimate(point, float(low), float(high), n)


def _weighted_median(values: Array, weights: NDArray) -> Array:
    """Return the medians of sorted values that occur `weights` times; [resample] from [value] and [resample, value]."""
    reached = weights.cumsum(axis=1)
    half = reached[:, -1:] / 2
    lower, upper = (reached >= half).argmax(axis=1), (reached > half).argmax(axis=1)
    return (values[lower] + values[upper]) / 2


def level(n: int) -> float:
    """Return the nominal level at which a bootstrap interval of n clusters covers 95 %.

    At the nominal level 95 %, an interval from 15 to 20 values covers only 90 to 92 %. This function raises the level
    as Student's t would raise it (Hesterberg 2015, "expanded percentile interval").
    """
    return float(1 - 2 * stats.norm.cdf(-stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))))


def proportion(successes: int, n: int) -> Estimate:
    """Return a share of n independent units, with Wilson's 95 % interval, which is valid near 0 and 1 (Wilson 1927)."""
    found = stats.binomtest(successes, n).proportion_ci(method="wilson")
    return Estimate(successes / n, float(found.low), float(found.high), n)


def proportion_over_units(hits: ArrayLike, units: Sequence, *, looks: int = 1) -> Estimate:
    """Return the share of hits with Wilson's interval. Every unit has the same weight.

    All trials of one unit together count once. If the trials of a unit differ, this interval may be too wide, but it
    is not too narrow.

    Args:
        hits: [trial], true or false, or shares.
        units: [trial], the unit of each trial. The units are the clusters.
        looks: the number of such shares from which this one was chosen. The interval is wide enough for this choice
            (Bonferroni).
    """
    _, cluster = np.unique(np.asarray(units), return_inverse=True)
    sums, counts = np.bincount(cluster, np.asarray(hits, float)), np.bincount(cluster)
    share, n = float((sums / counts).mean()), len(counts)
    # This is Wilson's interval for a number of successes that may be fractional.
    z = stats.norm.ppf(1 - 0.025 / looks)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Estimate(share, float(max(0.0, centre - reach)), float(min(1.0, centre + reach)), n)


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
    heads = np.arange(len(group_of_head))
    blocks = [heads[np.asarray(group_of_head) == g] for g in sorted(set(group_of_head))] if balanced else [heads]
    chosen = [sum(head in set(members) for head in block) for block in blocks]
    rng = np.random.default_rng(seed)
    if np.prod([float(comb(len(b), k)) for b, k in zip(blocks, chosen, strict=True)]) <= count:
        every = _every_split(blocks, chosen, len(heads))
        return every[(every != np.isin(heads, members)).any(axis=1)]
    splits = np.zeros((count, len(heads)), dtype=bool)
    for block, k in zip(blocks, chosen, strict=True):
        ranks = rng.random((count, len(block))).argsort(axis=1).argsort(axis=1)
        splits[:, block] = ranks < k
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
