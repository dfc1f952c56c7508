"""Criterion + estimate → SUPPORTED | REFUTED | INCONCLUSIVE. (NOT APPLICABLE is decided before measuring.)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bandwidth.statistics import Estimate


class Verdict(StrEnum):
    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT APPLICABLE"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Criterion:
    """The estimate must lie between `low` and `high`, either of which may be infinite.

    `closed` says whether the bounds themselves satisfy it. Use `above`, `below`, `at_least`,
    `at_most` or `within`.
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
        """How far inside the criterion a value lies; negative outside."""
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
    """SUPPORTED when the whole interval meets the criterion, REFUTED when none of it does, else INCONCLUSIVE."""
    if criterion.admits(estimate.low) and criterion.admits(estimate.high):
        return Verdict.SUPPORTED
    if criterion.closed:
        apart = estimate.high < criterion.low or estimate.low > criterion.high
    else:
        apart = estimate.high <= criterion.low or estimate.low >= criterion.high
    return Verdict.REFUTED if apart else Verdict.INCONCLUSIVE


def decide_all(criterion: Criterion, estimates: Sequence[Estimate]) -> Verdict:
    """Intersection–union: SUPPORTED when every part is, REFUTED when one is, else INCONCLUSIVE."""
    verdicts = {decide(criterion, estimate) for estimate in estimates}
    for found in (Verdict.REFUTED, Verdict.INCONCLUSIVE):
        if found in verdicts:
            return found
    return Verdict.SUPPORTED


def p_value(criterion: Criterion, estimate: Estimate) -> float:
    """One-sided p against "the criterion is not met", by the normal law that the 95 % interval stands for.

    For a range it is the larger of the p at its two ends (two one-sided tests).
    """
    room = criterion.room(estimate.value)
    error = (estimate.high - estimate.low) / (2 * NormalDist().inv_cdf(0.975))
    if not error:
        return 0.0 if criterion.admits(estimate.value) else 1.0
    return 1 - NormalDist().cdf(room / error)


def hardest(criterion: Criterion, estimates: dict[str, Estimate]) -> str:
    """The part that comes out worst: REFUTED before INCONCLUSIVE before SUPPORTED, then least room."""
    rank = (Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.SUPPORTED)
    return min(
        estimates,
        key=lambda part: (
            rank.index(decide(criterion, estimates[part])),
            criterion.room(estimates[part].value),
        ),
    )


def pairs_to_settle(criterion: Criterion, estimate: Estimate) -> int | None:
    """How many pairs would settle an inconclusive estimate, were it to stay where it is.

    An interval shrinks with the square root of n. None where the estimate sits on the threshold, or
    where n pairs gave no interval to shrink.
    """
    distance = abs(criterion.room(estimate.value))
    reach = max(estimate.high - estimate.value, estimate.value - estimate.low)
    if not distance or not reach or estimate.n < 2:
        return None
    return ceil(estimate.n * (reach / distance) ** 2)
