"""Decides SUPPORTED, REFUTED or INCONCLUSIVE from a criterion and an estimate.

The verdict NOT APPLICABLE is decided elsewhere, before anything is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf, log10
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


MANY = 1000
"""A larger number of units is not printed, because nobody would measure so many."""


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
            return f"{'≥' if self.closed else '>'} {self.low:.3g}"
        if self.low == -inf:
            return f"{'≤' if self.closed else '<'} {self.high:.3g}"
        return f"in [{self.low:.3g}, {self.high:.3g}]"

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


def decide(criterion: Criterion, estimate: Estimate, *, parts: int = 1) -> Verdict:
    """Return SUPPORTED if the whole interval meets the criterion, and REFUTED if no part of it does.

    Return INCONCLUSIVE in all other cases. If the estimate is one of several `parts`, each of which can refute the
    claim, then the intervals for REFUTED are simultaneous (Bonferroni). See also `tied_at_the_bound`.
    """
    if tied_at_the_bound(criterion, estimate):
        return Verdict.INCONCLUSIVE
    if criterion.admits(estimate.low) and criterion.admits(estimate.high):
        return Verdict.SUPPORTED
    low, high = estimate.among(parts)
    if criterion.closed:
        apart = high < criterion.low or low > criterion.high
    else:
        apart = high <= criterion.low or low >= criterion.high
    return Verdict.REFUTED if apart else Verdict.INCONCLUSIVE


def tied_at_the_bound(criterion: Criterion, estimate: Estimate) -> bool:
    """Return whether most units have the same value by chance, and this value is the bound of the criterion.

    Such an interval is one point. No verdict may come from it: with nine zeros and one −1, nothing is known about
    "below 0". If all units are equal, their number decides whether they are enough.
    """
    return estimate.tied and criterion.room(estimate.value) == 0


def decide_all(criterion: Criterion, estimates: Sequence[Estimate], *, parts: int | None = None) -> Verdict:
    """Return SUPPORTED if every part is SUPPORTED, REFUTED if any part is REFUTED, and otherwise INCONCLUSIVE.

    SUPPORTED is an intersection–union test and needs no correction. For REFUTED the intervals of all parts are
    simultaneous. `parts` is their number, if more than the given estimates can refute.
    """
    verdicts = {decide(criterion, estimate, parts=parts or len(estimates)) for estimate in estimates}
    for found in (Verdict.REFUTED, Verdict.INCONCLUSIVE):
        if found in verdicts:
            return found
    return Verdict.SUPPORTED


def p_value(criterion: Criterion, estimate: Estimate) -> float:
    """Return the one-sided p-value of the null hypothesis "the criterion is not met".

    It is the smallest tail probability whose interval meets the criterion, so p and interval come from one method. For
    a range this is the larger p-value of its two bounds (two one-sided tests). It is 1 if no interval of tails up to
    ½ meets the criterion. Values below 1e-12 are 0.
    """

    def met(tail: float) -> bool:
        low, high = estimate.interval(tail)
        return criterion.admits(low) and criterion.admits(high)

    if tied_at_the_bound(criterion, estimate) or not met(0.5):
        return 1.0
    low, high = -12.0, log10(0.5)
    if met(10**low):
        return 0.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if met(10**middle) else (middle, high)
    return float(10**high)


def hardest(criterion: Criterion, estimates: Mapping[str, Estimate]) -> str:
    """Return the name of the part with the worst result.

    REFUTED is worse than INCONCLUSIVE, and INCONCLUSIVE is worse than SUPPORTED. Between equal verdicts, the part with
    the least room is worse.
    """
    rank = (Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.SUPPORTED)
    return min(
        estimates,
        key=lambda part: (
            rank.index(decide(criterion, estimates[part], parts=len(estimates))),
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


def what_would_settle(criterion: Criterion, estimate: Estimate, unit: str) -> str:
    """Say how many units would settle an interval that crosses the threshold. `unit` is their name, in the plural."""
    needed = units_to_settle(criterion, estimate)
    if needed is None:
        return f"more {unit} would not settle the interval"
    some = f"about {needed} {unit} would" if needed <= MANY else f"{MANY} {unit} would not"
    return f"{some} settle the interval"
