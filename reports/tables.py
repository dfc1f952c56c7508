"""A small table that a theory adds to the report."""

from __future__ import annotations

from dataclasses import dataclass

Cell = str | int | float
"""Text, a count, or a share from 0 to 1. A share is always a float, and the page shows it in percent."""


@dataclass(frozen=True)
class Table:
    """A table of facts about the subject. No verdict uses them.

    Attributes:
        title: the heading on the page.
        columns: the label of each column.
        rows: the cells of each row, in the order of the columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
