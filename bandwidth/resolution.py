"""How far margins move for reasons that are not the model's: other trials in the batch, and the model's dtype.

What matters is whether an answer changes sides, so it is measured on those that came nearest to doing so.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from heapq import nsmallest

from bandwidth.memory import out_of_memory
from bandwidth.requests import Trial
from bandwidth.session import Session

LOOKED_AT = 6
"""How many of the closest margins are measured again."""


@dataclass(frozen=True)
class Close:
    """A trial whose margin, in logits, lies near zero."""

    margin: float
    layer: int
    trial: Trial


class Watch:
    """The closest margins of all sweeps, and how many margins there were."""

    def __init__(self) -> None:
        self.margins = 0
        self.closest: list[Close] = []

    def __call__(self, layer: int, trials: Sequence[Trial], margins: Sequence[float]) -> None:
        self.margins += len(margins)
        near = nsmallest(LOOKED_AT, zip(margins, trials, strict=True), key=lambda held: abs(held[0]))
        met = {(c.layer, c.trial): c for c in [*self.closest, *(Close(m, layer, t) for m, t in near)]}
        self.closest = nsmallest(LOOKED_AT, met.values(), key=lambda close: abs(close.margin))


@contextmanager
def watched(session: Session) -> Iterator[Watch]:
    """Inside, every sweep's margins are looked through."""
    watch = Watch()
    session.observers.append(watch)
    try:
        yield watch
    finally:
        session.observers.remove(watch)


@dataclass(frozen=True)
class Drift:
    """How sure the signs of margins are.

    Attributes:
        margins: how many were measured.
        smallest: the smallest |margin| among them, in logits.
        alone: the largest change of the closest margins when each trial runs by itself, in logits.
        precise: the same in float32; None where the model is in float32, or where a copy of it finds no memory.
        turned: how many of the closest margins change sides, for either reason.
    """

    margins: int
    smallest: float
    alone: float
    precise: float | None
    turned: int

    def __str__(self) -> str:
        told = f"smallest of {self.margins:,} |margins|: {self.smallest:.2g} logits; alone it moves by {self.alone:.1g}"
        told += "" if self.precise is None else f", in float32 by {self.precise:.1g}"
        return told + (f"; {self.turned} of the closest change sides" if self.turned else "")


def measure(session: Session, watch: Watch) -> Drift | None:
    """Runs the closest trials again, each by itself and, in a shorter dtype, in float32; None without any trial."""
    if not watch.closest:
        return None
    before = [close.margin for close in watch.closest]
    alone = _again(session, watch.closest)
    precise = None if session.subject.dtype == "float32" else _again_in_float32(session, watch.closest)
    turned = sum(
        any(margin > 0 for margin in each) != all(margin > 0 for margin in each)
        for each in zip(before, alone, precise or before, strict=True)
    )
    return Drift(
        watch.margins,
        abs(before[0]),
        _largest_change(before, alone),
        None if precise is None else _largest_change(before, precise),
        turned,
    )


def _again(session: Session, closest: Sequence[Close]) -> list[float]:
    return [session.at(c.layer).margins_alone([c.trial])["margin_logits"].item() for c in closest]


def _again_in_float32(session: Session, closest: Sequence[Close]) -> list[float] | None:
    try:
        model = copy.deepcopy(session.subject.model).float()
        return _again(Session(replace(session.subject, model=model)), closest)
    except (MemoryError, RuntimeError) as problem:
        if not out_of_memory(problem):
            raise
        return None


def _largest_change(before: Sequence[float], after: Sequence[float]) -> float:
    return max(abs(b - a) for b, a in zip(before, after, strict=True))
