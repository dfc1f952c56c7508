"""Intervals, random head splits and curve comparisons; numpy and scipy, no loops over resamples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

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
                (values,), np.mean, method=method, confidence_level=_level(n), n_resamples=resamples,
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
    tail = (1 - _level(n)) / 2 if n > 1 else 0.0
    # Order statistics, not interpolated: halfway between a number and infinity there is nothing.
    low, high = medians[int(tail * resamples)], medians[resamples - 1 - int(tail * resamples)]
    return Estimate(point, float(low), float(high), n)


def _weighted_median(values: Array, weights: NDArray) -> Array:
    """Medians of sorted values that occur `weights` times; [resample] from [value] and [resample, value]."""
    reached = weights.cumsum(axis=1)
    half = reached[:, -1:] / 2
    lower, upper = (reached >= half).argmax(axis=1), (reached > half).argmax(axis=1)
    return (values[lower] + values[upper]) / 2


def _level(n: int) -> float:
    """Nominal level at which a bootstrap interval of n clusters covers 95 %.

    Of 15 to 20 values it would cover 90 to 92 %; the level is raised as Student's t would raise it
    (Hesterberg 2015, "expanded percentile interval").
    """
    return float(1 - 2 * stats.norm.cdf(-stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))))


def proportion(successes: int, n: int) -> Estimate:
    """A share of n independent units with Wilson's 95 % interval, sound near 0 and 1 (Wilson 1927)."""
    found = stats.binomtest(successes, n).proportion_ci(method="wilson")
    return Estimate(successes / n, float(found.low), float(found.high), n)


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


def held_out_errors(x: ArrayLike, curves: ArrayLike) -> dict[str, float]:
    """Mean squared error of a line, a logistic and a step in predicting curves of pairs not fitted to.

    Leave-one-pair-out; each shape is fitted to the mean of the other pairs' curves.

    Args:
        x: [point]; curves: [pair, point], at least two pairs.
    """
    x, curves = np.asarray(x, float), np.asarray(curves, float)
    others = (curves.sum(0) - curves) / (len(curves) - 1)
    errors: dict[str, list[float]] = {"linear": [], "logistic": [], "step": []}
    for mean, held_out in zip(others, curves, strict=True):
        for shape, fit in (("linear", _line), ("logistic", _logistic), ("step", _step)):
            errors[shape].append(float(np.mean((fit(x, mean) - held_out) ** 2)))
    return {shape: float(np.mean(found)) for shape, found in errors.items()}


def _line(x: Array, y: Array) -> Array:
    return np.asarray(np.polyval(np.polyfit(x, y, 1), x), float)


def _step(x: Array, y: Array) -> Array:
    """The best two-level curve; y before and after the best of all cuts."""
    fits = [np.where(x < cut, y[x < cut].mean(), y[x >= cut].mean()) for cut in x[1:]]
    return min(fits, key=lambda fit: float(((fit - y) ** 2).sum()))


def _logistic(x: Array, y: Array) -> Array:
    """Least squares of bottom + height / (1 + exp(−(x − middle) / scale))."""

    def curve(x: Array, bottom: float, height: float, middle: float, scale: float) -> Array:
        return bottom + height / (1 + np.exp(-np.clip((x - middle) / scale, -50, 50)))

    start = (y[0], y[-1] - y[0] or 1e-3, float(x[np.abs(y - (y[0] + y[-1]) / 2).argmin()]), 0.1)
    try:
        found, _ = optimize.curve_fit(
            curve,
            x,
            y,
            p0=start,
            bounds=([-np.inf, -np.inf, -1, 1e-3], [np.inf, np.inf, 2, 10]),
            max_nfev=2000,
        )
    except RuntimeError:  # no convergence: the line is a logistic of infinite scale
        return _line(x, y)
    return curve(x, *found)
