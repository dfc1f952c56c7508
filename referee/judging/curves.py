"""Shapes of curves over units: where a curve falls, and which shape predicts the points of units that were left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
_SCALES = np.geomspace(0.001, 0.5, 16)
_MIDDLES = 240
"""The number of middles of a fit. They divide the range of x evenly."""
TEN_TO_NINETY = 2 * float(np.log(9))
"""The distance from 10 % to 90 % of a logistic, divided by its scale."""


@dataclass(frozen=True)
class ChangePoint:
    """The place where one curve falls.

    Attributes:
        middle: middle of the best logistic, in the unit of x.
        low, high: for a step, the two points around it, because all middles between them fit equally well. Otherwise
            the middle.
        width: distance from 90 % to 10 % of the fall, in the unit of x.
        height: size of the fall, in the unit of y.
    """

    middle: float
    low: float
    high: float
    width: float
    height: float


def change_point(x: ArrayLike, y: ArrayLike) -> ChangePoint | None:
    """Find where a curve falls. Return None if no falling logistic fits better than a constant.

    The fit is least squares of top − height · logistic((x − middle) / scale) on a grid of middles and scales. Points
    with the same x count with their mean.

    Args:
        x: [point], at least two different values.
        y: [point].
    """
    places, index = np.unique(np.asarray(x, float), return_inverse=True)
    means = np.bincount(index, np.asarray(y, float)) / np.bincount(index)
    middles, _, centred, norms = _logistics(tuple(places))
    projections = np.clip(-(centred @ (means - means.mean())), 0, None).reshape(len(_SCALES), len(middles))
    gains = projections**2
    if gains.max() < 1e-9:
        return None
    by_middle = gains.max(0)
    best = middles[by_middle >= by_middle.max() * (1 - 1e-6) - 1e-12]
    exact = len(best) == 1
    scale, place = np.unravel_index(gains.argmax(), gains.shape)
    return ChangePoint(
        float(best[0] + best[-1]) / 2,
        float(best[0] if exact else places[places <= best[0]][-1]),
        float(best[0] if exact else places[places >= best[-1]][0]),
        float(_SCALES[scale]) * TEN_TO_NINETY,
        float(projections[scale, place] / norms[scale, place]),
    )


@lru_cache(maxsize=64)
def _logistics(x: tuple[float, ...]) -> tuple[Array, Array, Array, Array]:
    """Return the logistics of the grid at the places x.

    They are the middles, [middle]; the logistics that rise from 0 to 1, [scale × middle, point]; the same with mean 0
    and length 1; and their lengths before that, [scale, middle].
    """
    middles = np.linspace(x[0], x[-1], _MIDDLES, endpoint=False)
    distances = (np.asarray(x) - middles[:, None]) / _SCALES[:, None, None]
    shapes = (1 / (1 + np.exp(-np.clip(distances, -50, 50)))).reshape(-1, len(x))
    centred = shapes - shapes.mean(-1, keepdims=True)
    norms = np.maximum(np.linalg.norm(centred, axis=-1), 1e-6)
    return middles, shapes, centred / norms[:, None], norms.reshape(len(_SCALES), len(middles))


def held_out_errors(x: ArrayLike, curves: ArrayLike) -> dict[str, float]:
    """Return the result of `errors_on_others` for units that were all measured at the same places.

    Args:
        x: [point].
        curves: [unit, point], at least two units.
    """
    curves = np.asarray(curves, float)
    units = np.repeat(np.arange(len(curves)), curves.shape[1])
    return errors_on_others(np.tile(np.asarray(x, float), len(curves)), curves.ravel(), units)


def errors_on_others(x: ArrayLike, y: ArrayLike, units: ArrayLike) -> dict[str, float]:
    """Return the mean squared error with which each shape predicts the points of a unit that was left out.

    The shapes are a constant, a line, a logistic and a step. Every unit is left out once (leave-one-out). The shape is
    fitted to the points of all other units. The error is a mean over units.

    Args:
        x: [point], the places. Each unit may have its own.
        y: [point].
        units: [point], the unit of each point; at least two different ones.
    """
    places, index = np.unique(np.asarray(x, float), return_inverse=True)
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    size = (len(places), int(unit.max()) + 1)
    flat = index * size[1] + unit
    y = np.asarray(y, float)

    def total(weights: Array) -> Array:
        return np.asarray(np.bincount(flat, weights, size[0] * size[1]), float).reshape(size)

    counts, sums, squares = total(np.ones_like(y)), total(y), total(y**2)
    constant, line = np.zeros((1, len(places))), places[None]
    steps = np.tri(len(places), k=-1).T[:-1].copy() if len(places) > 1 else constant
    shapes = {
        "constant": constant,
        "linear": line,
        "logistic": _logistics(tuple(places))[1],
        "step": steps,
    }
    return {name: _held_out(candidates, counts, sums, squares) for name, candidates in shapes.items()}


def _held_out(shapes: Array, counts: Array, sums: Array, squares: Array) -> float:
    """Return the mean squared error of bottom + height · shape on units that were left out.

    Each fit chooses the best of the `shapes`, [shape, place]. The other arguments describe the points of each unit at
    each place, [place, unit]: their number, the sum of their values and the sum of the squares of their values.
    """
    n, y, yy = counts.sum(0), sums.sum(0), squares.sum(0)
    s, ss, sy = shapes @ counts, shapes**2 @ counts, shapes @ sums
    # Each array below, [shape, unit], is a sum over the points of all units but one.
    n_, y_, s_, ss_, sy_ = (
        total.sum(-1, keepdims=True) - total for total in (n, y, s, ss, sy)
    )  # fmt: skip
    spread = ss_ - s_**2 / n_
    together = sy_ - s_ * y_ / n_
    height = np.where(spread > 1e-9, together / np.maximum(spread, 1e-9), 0.0)
    bottom = (y_ - height * s_) / n_
    chosen = (height * together).argmax(0), np.arange(len(n))
    a, b = bottom[chosen], height[chosen]
    errors = yy - 2 * a * y - 2 * b * sy[chosen] + n * a**2 + 2 * a * b * s[chosen] + b**2 * ss[chosen]
    return max(float((errors / n).mean()), 0.0)  # rounding can make the sum of an exact fit negative
