"""The small scale beside an estimate: its axis, and the places of the interval, the threshold and the chance value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from referee.judging.evidence import chance_world
from reports.models import ClaimEntry

LEFT, RIGHT = 8, 312
"""Where the axis begins and ends in the drawing, which is 320 units wide."""
_APART = 34
"""Smallest distance between the ticks of two labels."""


@dataclass(frozen=True)
class Tick:
    """A label of the axis.

    Attributes:
        x: place of the tick.
        label: the number.
        anchor: `start`, `middle` or `end`, as in SVG.
        threshold: True if the number is a bound of the claimed range.
    """

    x: float
    label: str
    anchor: str
    threshold: bool


@dataclass(frozen=True)
class Scale:
    """The drawing of an estimate. All places are in units of the drawing.

    Attributes:
        low: left end of the axis, in the unit of the estimate.
        high: right end of the axis.
        value: place of the estimate.
        interval: places of the ends of its interval.
        claimed: places of the ends of the claimed range. An open range ends where the axis ends.
        thresholds: places of the bounds of the claimed range.
        chance: place of the chance value, or None.
        ticks: the labels.
    """

    low: float
    high: float
    value: float
    interval: tuple[float, float]
    claimed: tuple[float, float]
    thresholds: tuple[float, ...]
    chance: float | None
    ticks: tuple[Tick, ...]


def scale(claim: ClaimEntry) -> Scale:
    """Returns the drawing of a claim's estimate. The claim must have one."""
    criterion, estimate, world = claim.criterion, claim.estimate, chance_world(claim.chance)
    assert estimate is not None
    chance = world.value if world else None
    bounds = [bound for bound in (criterion.low, criterion.high) if bound is not None]
    marks = [estimate.value, estimate.low, estimate.high, *bounds, *([] if chance is None else [chance])]
    low, high = axis(marks, bounds)

    def place(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 2)

    return Scale(
        low=low,
        high=high,
        value=place(estimate.value),
        interval=(place(estimate.low), place(estimate.high)),
        claimed=(place(low if criterion.low is None else criterion.low),
                 place(high if criterion.high is None else criterion.high)),
        thresholds=tuple(map(place, bounds)),
        chance=None if chance is None else place(chance),
        ticks=_ticks([(bound, place(bound), True) for bound in bounds]
                     + [(value, place(value), False) for value in (low, high, 0.0) if low <= value <= high]),
    )  # fmt: skip


def axis(marks: Sequence[float], bounds: Iterable[float]) -> tuple[float, float]:
    """Returns the ends of an axis that shows all marks.

    If a bound of the claimed range lies between 0 and 1, and no mark lies outside, the quantity is taken to be a share,
    and the axis shows all shares. Any other axis shows zero, has room on both sides, and ends at round numbers.
    """
    if all(0 <= mark <= 1 for mark in marks) and any(0 < bound < 1 for bound in bounds):
        return 0.0, 1.0
    low, high = min(0.0, *marks), max(0.0, *marks)
    room = 0.05 * (high - low) or 1.0
    step = _round_step((high - low + 2 * room) / 8)
    return _clean(math.floor((low - room) / step) * step), _clean(math.ceil((high + room) / step) * step)


def _round_step(step: float) -> float:
    """Returns the smallest of …, 0.1, 0.2, 0.5, 1, 2, 5, 10, … that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _clean(value: float) -> float:
    """Returns a value without the last digits of a product. Zero has no sign."""
    return float(f"{value:.10g}") + 0.0


def _ticks(wanted: Iterable[tuple[float, float, bool]]) -> tuple[Tick, ...]:
    """Returns the labels that have room. In `wanted`, the most important labels come first."""
    ticks: list[Tick] = []
    for value, x, threshold in wanted:
        if all(abs(x - tick.x) >= _APART for tick in ticks):
            anchor = "start" if x < LEFT + _APART / 2 else "end" if x > RIGHT - _APART / 2 else "middle"
            ticks.append(Tick(x, f"{value:.4g}", anchor, threshold))
    return tuple(sorted(ticks, key=lambda tick: tick.x))
