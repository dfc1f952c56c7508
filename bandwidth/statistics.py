"""Intervals, random head splits and curve comparisons; numpy and scipy, no loops over resamples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
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
        values: [pair]; a pair's orders and phrasings averaged beforehand, so that pairs are the clusters.
    """
    return _bootstrapped(np.asarray(values, float), np.mean, "BCa", seed, resamples)


def median_over_pairs(values: ArrayLike, *, seed: int, resamples: int = 10_000) -> Estimate:
    """Median of one value a pair, with the expanded percentile bootstrap interval (BCa fails on medians)."""
    return _bootstrapped(np.asarray(values, float), np.median, "percentile", seed, resamples)


def _bootstrapped(values: Array, statistic: Callable, method: str, seed: int, resamples: int) -> Estimate:
    point = float(statistic(values))
    n = len(values)
    # Of one value, or of equal values, every resample is the same: the interval is the point.
    if n < 2 or np.ptp(values) == 0:
        return Estimate(point, point, point, n)
    # A bootstrap interval of few values is too short: of 15 to 20 it covers 90 to 92 % where it promises 95. Its
    # level is raised as Student's t would raise it (Hesterberg 2015, "expanded percentile interval").
    level = 1 - 2 * stats.norm.cdf(-stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1)))
    # BCa divides 0 by 0 where every left-out value gives the same statistic; the percentile interval steps in.
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (values,), statistic, method=method, confidence_level=level, n_resamples=resamples, vectorized=True,
            batch=max(1, 2_000_000 // n), rng=np.random.default_rng(seed),
        )  # fmt: skip
    low, high = found.confidence_interval
    if not np.isfinite([low, high]).all():
        return _bootstrapped(values, statistic, "percentile", seed, resamples)
    return Estimate(point, float(low), float(high), n)


def proportion(successes: int, n: int) -> Estimate:
    """A share of n independent units with Wilson's 95 % interval, sound near 0 and 1 (Wilson 1927)."""
    found = stats.binomtest(successes, n).proportion_ci(method="wilson")
    return Estimate(successes / n, float(found.low), float(found.high), n)


def half_splits(
    group_of_head: Sequence[int], members: Sequence[int], *, balanced: bool, seed: int, count: int = 10_000
) -> NDArray[np.bool_]:
    """Distinct head groups of the same size as `members`, in random order; [split, head].

    All of them where there are at most `count`. `balanced` keeps how many heads of each key-value group
    are in the split, so that a difference between key-value groups cannot pass for one of parity.
    """
    heads = np.arange(len(group_of_head))
    blocks = [heads[np.asarray(group_of_head) == g] for g in sorted(set(group_of_head))] if balanced else [heads]
    chosen = [sum(head in set(members) for head in block) for block in blocks]
    rng = np.random.default_rng(seed)
    if np.prod([float(comb(len(b), k)) for b, k in zip(blocks, chosen, strict=True)]) <= count:
        return rng.permutation(_every_split(blocks, chosen, len(heads)), axis=0)
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
