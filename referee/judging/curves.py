"""Shapes of curves over units: which shape predicts the curves of other units, and where a curve falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from referee.judging.statistics import Estimate, level

Array = NDArray[np.float64]
_SCALES = np.geomspace(0.0002, 0.5, 32)
_STEP = 0.0025
TEN_TO_NINETY = 2 * float(np.log(9))
"""The distance from 10 % to 90 % of a logistic, divided by its scale."""


@dataclass(frozen=True)
class ChangePoint:
    """The place where a curve falls: the middle of the best logistic with its interval, and its 10–90 % width.

    Both are in the unit of x.
    """

    middle: Estimate
    width: float


def change_point(x: ArrayLike, curves: ArrayLike, *, seed: int, resamples: int = 10_000) -> ChangePoint | None:
    """Find where the mean curve over units falls. Return None if no falling logistic fits better than a constant.

    The fit is least squares of top − height · logistic((x − middle) / scale) on a grid of middles and scales. It is
    made for the mean over units and for the mean over every resample of units. Between two distant points, many middles
    fit equally well, so each fit has a lowest and a highest best middle. The interval begins at a low quantile of the
    lowest middles and ends at a high quantile of the highest middles. The expanded level (`statistics.level`) gives
    the quantiles.

    Args:
        x: [point], increasing.
        curves: [unit, point].
        seed: the seed of the resamples.
    """
    x, curves = np.asarray(x, float), np.asarray(curves, float)
    n = len(curves)
    middles = np.arange(x[0], x[-1], _STEP)
    slopes = 1 / (1 + np.exp(-np.clip((x - middles[:, None, None]) / _SCALES[:, None], -50, 50)))
    shapes = (slopes - slopes.mean(-1, keepdims=True)).reshape(-1, len(x))
    norms = np.linalg.norm(shapes, axis=1)
    shapes = shapes / np.maximum(norms, 1e-12)[:, None]

    def gain(means: Array) -> Array:
        """Return the variation of a curve that each middle explains at its best scale; [curve, middle]."""
        fitted = np.clip(-means @ shapes.T, 0, None) ** 2
        return fitted.reshape(len(means), len(middles), len(_SCALES)).max(-1)

    whole = gain(curves.mean(0)[None])
    if whole.max() < 1e-9:
        return None
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples) / n
    lows, highs = np.empty(resamples), np.empty(resamples)
    for part in np.array_split(np.arange(resamples), max(1, resamples // 250)):
        lows[part], highs[part] = _ends(middles, gain(draws[part] @ curves))
    low, high = _ends(middles, whole)
    tail = (1 - level(n)) / 2 if n > 1 else 0.0
    middle = Estimate(
        float(low[0] + high[0]) / 2,
        float(np.quantile(lows, tail, method="lower")),
        float(np.quantile(highs, 1 - tail, method="higher")),
        n,
    )
    best = (np.clip(-curves.mean(0) @ shapes.T, 0, None) ** 2).argmax()
    return ChangePoint(middle, float(_SCALES[best % len(_SCALES)]) * TEN_TO_NINETY)


def _ends(middles: Array, gains: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest of the middles that fit best, each [curve]."""
    best = gains >= gains.max(1, keepdims=True) * (1 - 1e-6) - 1e-12
    return middles[best.argmax(1)], middles[len(middles) - 1 - best[:, ::-1].argmax(1)]


def held_out_errors(x: ArrayLike, curves: ArrayLike) -> dict[str, float]:
    """Return the mean squared error with which each shape predicts the curve of a unit that was left out.

    The shapes are a constant, a line, a logistic and a step. Every unit is left out once (leave-one-out). The shape is
    fitted to the mean of the other units' curves.

    Args:
        x: [point].
        curves: [unit, point], at least two units.
    """
    x, curves = np.asarray(x, float), np.asarray(curves, float)
    others = (curves.sum(0) - curves) / (len(curves) - 1)
    shapes = {"constant": _constant, "linear": _line, "logistic": _logistic, "step": _step}
    errors: dict[str, list[float]] = {shape: [] for shape in shapes}
    for mean, held_out in zip(others, curves, strict=True):
        for shape, fit in shapes.items():
            errors[shape].append(float(np.mean((fit(x, mean) - held_out) ** 2)))
    return {shape: float(np.mean(found)) for shape, found in errors.items()}


def _constant(x: Array, y: Array) -> Array:
    return np.full_like(x, y.mean())


def _line(x: Array, y: Array) -> Array:
    return np.asarray(np.polyval(np.polyfit(x, y, 1), x), float)


def _step(x: Array, y: Array) -> Array:
    """Return the best curve with two levels: the mean of y before the best cut and the mean of y after it."""
    fits = [np.where(x < cut, y[x < cut].mean(), y[x >= cut].mean()) for cut in x[1:]]
    return min(fits, key=lambda fit: float(((fit - y) ** 2).sum()))


def _logistic(x: Array, y: Array) -> Array:
    """Return the least-squares fit of bottom + height / (1 + exp(−(x − middle) / scale)), [point]."""

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
    except RuntimeError:  # the fit does not converge; a line is a logistic of infinite scale
        return _line(x, y)
    return curve(x, *found)
