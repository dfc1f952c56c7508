"""The figure of experiment X1. Only this module imports matplotlib, because that takes time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from reports.style import BLUE, CHANCE, THRESHOLD, boxes, legend_below, sheet


def times_uniform(columns: Mapping[str, Sequence[float]], *, threshold: float) -> Figure:
    """Experiment X1: draws one box plot for each column.

    Args:
        columns: by name, the attention in multiples of uniform attention, [sentence].
        threshold: the threshold of the claim.
    """
    figure = sheet(4.2)
    ax = figure.subplots()
    boxes(ax, list(columns.values()), range(len(columns)), 0.5, color=BLUE)
    ax.axhline(threshold, color=THRESHOLD, linestyle="--", label="threshold")
    ax.axhline(1, color=CHANCE, linestyle=":", label="uniform attention")
    ax.set_xticks(range(len(columns)), list(columns))
    ax.set_ylabel("attention (multiples of uniform attention)")
    figure.suptitle(f"Attention to the number (n = {len(next(iter(columns.values())))} sentences)")
    legend_below(figure, ax)
    return figure
