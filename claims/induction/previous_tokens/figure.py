"""The figure of experiment I4."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from claims.induction.style import OTHER, OWN
from reports.style import boxes, sheet


def falls(arms: Mapping[str, Sequence[float]], sets: Sequence[float], *, n: int) -> Figure:
    """Experiment I4: draws how far the top heads' prefix-matching score falls by each knock-out.

    Args:
        arms: the fall in each sequence, by knock-out.
        sets: the mean fall in each other set of heads.
        n: number of sequences.
    """
    figure = sheet(4.4)
    ax = figure.subplots()
    rows = {**arms, "other sets of heads of the same layers, each its mean": sets}
    for place, (name, values) in enumerate(rows.items()):
        boxes(ax, [values], [place], 0.6, **(OWN if name in arms else OTHER))
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(range(len(rows)), [textwrap.fill(name, 24) for name in rows])
    ax.set(ylabel="fall of the prefix-matching score")
    figure.suptitle(f"Top heads without previous-token heads\n(n = {n} sequences)")
    return figure
