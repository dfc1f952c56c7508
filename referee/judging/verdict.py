"""Decides SUPPORTED, REFUTED or INCONCLUSIVE from a criterion and an estimate.

The verdict NOT APPLICABLE is decided elsewhere, before anything is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from referee.judging.statistics import Estimate


class Verdict(StrEnum):
    """The possible verdicts. ERROR says nothing about the claim."""

    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT APPLICABLE"
    ERROR = "ERROR"

    @property
    def sign(self) -> str:
        """One character that stands for the verdict in tables."""
        return dict(zip(Verdict, "✓✗?–!", strict=True))[self]


@dataclass(frozen=True)
class Criterion:
    """The rule that an estimate must lie between `low` and `high`. Each bound may be infinite.

    `closed` says whether the bounds themselves meet the criterion. To make a criterion, use `above`, `below`,
    `at_least`, `at_most` or `within`.
    """

    low: float = -inf
    high: float = inf
    closed: bool = False

    def __str__(self) -> str:
        if self.high == inf:
            return f"{'≥' if self.closed else '>'} {self.low:g}"
        if self.low == -inf:
            return f"{'≤' if self.closed else '<'} {self.high:g}"
        return f"in [{self.low:g}, {self.high:g}]"

    def admits(self, value: float) -> bool:
        return self.room(value) > 0 or (self.closed and self.room(value) == 0)

    def room(self, value: float) -> float:
        """Return the distance from a value to the nearest bound. It is negative outside the bounds."""
        return min(value - self.low, self.high - value)


def above(threshold: float) -> Criterion:
    return Criterion(low=threshold)


def below(threshold: float) -> Criterion:
    return Criterion(high=threshold)


def at_most(threshold: float) -> Criterion:
    return Criterion(high=threshold, closed=True)


def at_least(threshold: float) -> Criterion:
    return Criterion(low=threshold, closed=True)


def within(low: float, high: float) -> Criterion:
    return Criterion(low=low, high=high, closed=True)


def decide(criterion: Criterion, estimate: Estimate) -> Verdict:
    """Return SUPPORTED if the whole interval meets the criterion, and REFUTED if no part of it does.

    Return INCONCLUSIVE in all other cases.
    """
    if criterion.admits(estimate.low) and criterion.admits(estimate.high):
        return Verdict.SUPPORTED
    if criterion.closed:
        apart = estimate.high < criterion.low or estimate.low > criterion.high
    else:
        apart = estimate.high <= criterion.low or estimate.low >= criterion.high
    return Verdict.REFUTED if apart else Verdict.INCONCLUSIVE


def decide_all(criterion: Criterion, estimates: Sequence[Estimate]) -> Verdict:
    """Return SUPPORTED if every part is SUPPORTED, REFUTED if any part is REFUTED, and otherwise INCONCLUSIVE.

    This is an intersection–union test.
    """
    verdicts = {decide(criterion, estimate) for estimate in estimates}
    for found in (Verdict.REFUTED, Verdict.INCONCLUSIVE):
        if found in verdicts:
            return found
    return Verdict.SUPPORTED


def p_value(criterion: Criterion, estimate: Estimate) -> float:
    """Return the one-sided p-value of the null hypothesis "the criterion is not met".

    The function assumes a normal distribution with the 95 % interval of the estimate. For a range, the result is the
    larger p-value of the two bounds (two one-sided tests).
    """
    room = criterion.room(estimate.value)
    error = (estimate.high - estimate.low) / (2 * NormalDist().inv_cdf(0.975))
    if not error:
        return 0.0 if criterion.admits(estimate.value) else 1.0
    return 1 - NormalDist().cdf(room / error)


def hardest(criterion: Criterion, estimates: Mapping[str, Estimate]) -> str:
    """Return the name of the part with the worst result.

    REFUTED is worse than INCONCLUSIVE, and INCONCLUSIVE is worse than SUPPORTED. Between equal verdicts, the part with
    the least room is worse.
    """
    rank = (Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.SUPPORTED)
    return min(
        estimates,
        key=lambda part: (
            rank.index(decide(criterion, estimates[part])),
            criterion.room(estimates[part].value),
        ),
    )


def units_to_settle(criterion: Criterion, estimate: Estimate) -> int | None:
    """Return how many units would settle an inconclusive estimate, if its value stays the same.

    The width of an interval shrinks with the square root of n. The result is None if the estimate lies exactly on the
    threshold, or if the interval has no width, or if there are fewer than two units.
    """
    distance = abs(criterion.room(estimate.value))
    reach = max(estimate.high - estimate.value, estimate.value - estimate.low)
    if not distance or not reach or estimate.n < 2:
        return None
    return ceil(estimate.n * (reach / distance) ** 2)
