"""Intervals, tests, corrections and random head splits; numpy and scipy, no loops over resamples."""

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
    """A measured value with its 95 % interval, and the number of independent units (pairs) behind it."""

    value: float
    low: float
    high: float
    n: int


def mean_over_pairs(values: ArrayLike, *, seed: int, resamples: int = 10_000) -> Estimate:
    """Mean of one value a pair, with the bias-corrected accelerated bootstrap interval (Efron 1987), expanded.

    Args:
        values: [pair], finite; a pair's orders and phrasings averaged beforehand, so that pairs are the clusters.
    """
    values = np.asarray(values, float)
    if not np.isfinite(values).all():
        raise ValueError(f"A mean needs finite values; got {values[~np.isfinite(values)]}")
    point, n = float(values.mean()), len(values)
    # Of one value, or of equal values, every resample is the same: the interval is the point.
    if n < 2 or np.ptp(values) == 0:
        return Estimate(point, point, point, n)

    def interval(method: str) -> tuple[float, float]:
        # BCa divides 0 by 0 where every left-out value gives the same statistic.
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


def median_over_pairs(values: ArrayLike, pairs: Sequence, *, seed: int, resamples: int = 10_000) -> Estimate:
    """Median over all values, with the expanded percentile interval of a bootstrap that resamples whole pairs.

    Args:
        values: [value]; infinite for what was censored, which counts as larger than all and is never averaged.
        pairs: the pair of each value, its cluster.
    """
    values = np.asarray(values, float)
    if np.isnan(values).any():
        raise ValueError(f"A median needs numbers; got {np.isnan(values).sum()} that are none")
    order = np.argsort(values, kind="stable")
    values = values[order]
    _, cluster = np.unique(np.asarray(pairs)[order], return_inverse=True)
    n = int(cluster.max()) + 1
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    point = float(_weighted_median(values, np.ones((1, len(values))))[0])
    medians = np.sort(_weighted_median(values, draws[:, cluster]))
    tail = (1 - level(n)) / 2 if n > 1 else 0.0
    # Order statistics, not interpolated: halfway between a number and infinity there is nothing.
    low, high = medians[int(tail * resamples)], medians[resamples - 1 - int(tail * resamples)]
    return Estimate(point, float(low), float(high), n)


def _weighted_median(values: Array, weights: NDArray) -> Array:
    """Medians of sorted values that occur `weights` times; [resample] from [value] and [resample, value]."""
    reached = weights.cumsum(axis=1)
    half = reached[:, -1:] / 2
    lower, upper = (reached >= half).argmax(axis=1), (reached > half).argmax(axis=1)
    return (values[lower] + values[upper]) / 2


def level(n: int) -> float:
    """Nominal level at which a bootstrap interval of n clusters covers 95 %.

    Of 15 to 20 values it would cover 90 to 92 %; the level is raised as Student's t would raise it
    (Hesterberg 2015, "expanded percentile interval").
    """
    return float(1 - 2 * stats.norm.cdf(-stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))))


def proportion(successes: int, n: int) -> Estimate:
    """A share of n independent units with Wilson's 95 % interval, sound near 0 and 1 (Wilson 1927)."""
    found = stats.binomtest(successes, n).proportion_ci(method="wilson")
    return Estimate(successes / n, float(found.low), float(found.high), n)


def proportion_over_pairs(hits: ArrayLike, pairs: Sequence, *, looks: int = 1) -> Estimate:
    """Share of hits, pairs weighing the same, with Wilson's interval for as many units as there are pairs.

    Several trials of one pair are one unit, whatever their number: too wide rather than too narrow where they differ.

    Args:
        hits: [trial], true or false (or shares).
        pairs: the pair of each trial, its cluster.
        looks: of how many such shares this one was chosen; the interval is wide enough for the choice (Bonferroni).
    """
    _, cluster = np.unique(np.asarray(pairs), return_inverse=True)
    sums, counts = np.bincount(cluster, np.asarray(hits, float)), np.bincount(cluster)
    share, n = float((sums / counts).mean()), len(counts)
    # Wilson's interval with a number of successes that need not be whole.
    z = stats.norm.ppf(1 - 0.025 / looks)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Estimate(share, float(max(0.0, centre - reach)), float(min(1.0, centre + reach)), n)


def sign_test(differences: ArrayLike) -> float:
    """One-sided p of as many positive differences among n, were either sign as likely; ties count against."""
    differences = np.asarray(differences, float)
    return float(stats.binomtest(int((differences > 0).sum()), len(differences), alternative="greater").pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """p adjusted for all of a family of tests (Holm 1979), in the order given."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(np.asarray(p, float)[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = raised.clip(max=1)
    return found.tolist()


def heads_beyond(values: ArrayLike, threshold: float, *, sign: int) -> NDArray[np.bool_]:
    """Which heads' means lie beyond a threshold, at a false discovery rate of 5 % over all heads; [head].

    One-sided t-tests over pairs, corrected as many at once (Benjamini & Hochberg 1995).

    Args:
        values: [pair, head].
        sign: +1 for above, −1 for below.
    """
    distance = sign * (np.asarray(values, float) - threshold)
    spread = distance.std(axis=0)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy's, of heads without spread, which are told apart below
        p = stats.ttest_1samp(distance, 0, axis=0, alternative="greater").pvalue
    # Without any spread there is no test to make: the mean is the value.
    p = np.where(spread > 1e-12, p, np.where(distance.mean(axis=0) > 0, 0.0, 1.0))
    return stats.false_discovery_control(p) <= 0.05


def half_splits(
    group_of_head: Sequence[int], members: Sequence[int], *, balanced: bool, seed: int, count: int = 10_000
) -> NDArray[np.bool_]:
    """Other head groups of the same size as `members`; [split, head].

    All others where there are at most `count` (none, where no other exists), else `count` drawn at random.
    `balanced` keeps how many heads of each key-value group are in the split, so that a difference between
    key-value groups cannot pass for one of parity.
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
    """p = (1 + b) / (1 + B) for "as large as observed", b of B null values being so (Phipson & Smyth 2010)."""
    null = np.asarray(null, float)
    # Equal groups summed in another order differ in the last bit; they count as equal.
    as_large = (null >= observed - 1e-12 * max(1.0, abs(observed))).sum()
    return float((1 + as_large) / (1 + null.size))
