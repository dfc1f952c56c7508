"""Measures how far margins move for numerical reasons: other trials in the batch, and the model's dtype.

The important question is whether a margin changes its sign. So the module measures the margins nearest to zero.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from heapq import nsmallest

from referee.measuring.memory import out_of_memory
from referee.measuring.requests import Trial
from referee.measuring.session import Session

LOOKED_AT = 6
"""The number of margins nearest to zero that are measured again."""


class Watch:
    """Observes all sweeps. It counts the margins and keeps those nearest to zero.

    Attributes:
        margins: the number of margins so far.
        closest: at most `LOOKED_AT` trials with their margins in logits, the smallest |margin| first.
    """

    def __init__(self) -> None:
        self.margins = 0
        self.closest: list[tuple[Trial, float]] = []

    def __call__(self, trials: Sequence[Trial], margins: Sequence[float]) -> None:
        self.margins += len(margins)
        near = nsmallest(LOOKED_AT, zip(trials, margins, strict=True), key=_size)
        self.closest = nsmallest(LOOKED_AT, dict([*self.closest, *near]).items(), key=_size)


def _size(measured: tuple[Trial, float]) -> float:
    return abs(measured[1])


@contextmanager
def watched(session: Session) -> Iterator[Watch]:
    """Yields a `Watch`. Inside the context, it observes the margins of every sweep of the session."""
    watch = Watch()
    session.observers.append(watch)
    try:
        yield watch
    finally:
        session.observers.remove(watch)


@dataclass(frozen=True)
class Resolution:
    """How reliable the signs of margins are.

    Attributes:
        margins: the number of margins that the sweeps measured.
        smallest: the smallest |margin| among them, in logits.
        alone: the largest change of these closest margins when each trial runs in a batch of its own, in logits.
        precise: the largest change when each trial also runs in float32, in logits. None if the model is in float32
            already, or if memory has no room for a float32 copy.
        turned: the number of the closest margins that change their sign, for either reason.
    """

    margins: int
    smallest: float
    alone: float
    precise: float | None
    turned: int

    def __str__(self) -> str:
        text = f"smallest of {self.margins:,} |margins|: {self.smallest:.2g} logits; alone it moves by {self.alone:.1g}"
        text += "" if self.precise is None else f", in float32 by {self.precise:.1g}"
        return text + (f"; {self.turned} of the closest change sides" if self.turned else "")


def measure(session: Session, watch: Watch) -> Resolution | None:
    """Runs the closest trials again, each in a batch of its own. Returns None if `watch` saw no trial.

    If the model is not in float32, it also runs these trials with a float32 copy of the model.
    """
    if not watch.closest:
        return None
    before = [margin for _, margin in watch.closest]
    trials = [trial for trial, _ in watch.closest]
    alone = _again(session, trials)
    precise = None if session.subject.dtype == "float32" else _again_in_float32(session, trials)
    turned = sum(
        any(margin > 0 for margin in each) != all(margin > 0 for margin in each)
        for each in zip(before, alone, precise or before, strict=True)
    )
    return Resolution(
        watch.margins,
        abs(before[0]),
        _largest_change(before, alone),
        None if precise is None else _largest_change(before, precise),
        turned,
    )


def _again(session: Session, trials: Sequence[Trial]) -> list[float]:
    """Returns the margin of each trial in a batch of its own, in logits."""
    return session.margins_alone(trials)["margin_logits"].tolist()


def _again_in_float32(session: Session, trials: Sequence[Trial]) -> list[float] | None:
    """Like `_again`, with a float32 copy of the model; None if memory has no room for it."""
    try:
        model = copy.deepcopy(session.subject.model).float()
        return _again(Session(replace(session.subject, model=model)), trials)
    except (MemoryError, RuntimeError) as problem:
        if not out_of_memory(problem):
            raise
        return None


def _largest_change(before: Sequence[float], after: Sequence[float]) -> float:
    """Returns the largest |difference| of two lists of margins, in logits."""
    return max(abs(b - a) for b, a in zip(before, after, strict=True))
