"""The lines of the doctor's report, and their layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_WIDTH = 18
"""The width of the column of names."""


@dataclass(frozen=True)
class Line:
    """One fact about the machine or a model.

    Attributes:
        name: what the fact is about.
        text: the fact. If something is missing, it also says what to do.
        missing: whether a run needs something that is not there.
    """

    name: str
    text: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{'!' if self.missing else ' '} {self.name:<{_WIDTH}}{self.text}"


def gigabytes(n_bytes: float) -> str:
    """Returns a number of bytes as text in GB (10^9 bytes), or in MB if it is small."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def verdict(lines: Iterable[Line]) -> str:
    """Returns the last line of a report: whether something is missing."""
    names = [line.name for line in lines if line.missing]
    if not names:
        return "Everything that a run needs is there."
    return f"Missing or unusable, marked with !: {', '.join(names)}."
