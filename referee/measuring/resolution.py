"""Measures how far margins move for numerical reasons: other trials in the batch, and the model's dtype.

The important question is whether a margin changes its sign. So the module measures the margins nearest to zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import nsmallest

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
        alone: the largest change of the closest margins when each trial runs in a batch of its own, in logits.
        again: the number of margins close to zero that were measured again in float32; 0 if the model is in float32.
        precise: the largest change of these, in logits. None if the model is in float32.
        turned: the number of margins that changed their sign: those measured again, or the closest ones alone.
    """

    margins: int
    smallest: float
    alone: float
    again: int
    precise: float | None
    turned: int

    def __str__(self) -> str:
        text = f"smallest of {self.margins:,} |margins|: {self.smallest:.2g} logits; alone it moves by {self.alone:.1g}"
        if self.precise is not None:
            text += f"; {self.again:,} close to zero measured again in float32: they move by {self.precise:.1g} at most"
        return text + (f"; {self.turned} of them change sign" if self.turned else "")


def measure(session: Session, watch: Watch) -> Resolution | None:
    """Runs the closest trials again, each in a batch of its own. Returns None if `watch` saw no trial.

    If the model is not in float32, these trials run in float32, because their margins were measured so.
    """
    if not watch.closest:
        return None
    before = [margin for _, margin in watch.closest]
    alone = session.precise.margins_alone([trial for trial, _ in watch.closest])["margin_logits"].tolist()
    turned = sum((a > 0) != (b > 0) for a, b in zip(before, alone, strict=True))
    return Resolution(
        watch.margins,
        abs(before[0]),
        max(abs(b - a) for b, a in zip(before, alone, strict=True)),
        session.precision.again,
        None if session.precise is session else session.precision.change,
        turned + session.precision.turned,
    )
