"""Figures that several experiments use."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from claims.competition.style import NUMERICAL, OTHER
from reports.style import BAD, GOOD, THRESHOLD, legend_below, nothing, sheet

if TYPE_CHECKING:
    from referee.judging.statistics import Estimate


def shares(
    rows: Sequence[tuple[str, Estimate]], *, threshold: float, threshold_label: str, n: int, title: str
) -> Figure:
    """Draws shares of prompts with their 95 % intervals, one below the other, and a threshold.

    Args:
        rows: name and estimate, from top to bottom.
        threshold: position of the threshold line, a share.
        threshold_label: meaning of the threshold.
        n: number of pairs.
        title: title of the figure.
    """
    figure = sheet(1.9 + 0.45 * len(rows))
    ax = figure.subplots()
    places = np.arange(len(rows))[::-1]
    for place, (_, e) in zip(places, rows, strict=True):
        reach = [[max(0.0, e.value - e.low)], [max(0.0, e.high - e.value)]]
        label = "share, 95 % interval" if place == 0 else None
        ax.errorbar(e.value, place, xerr=reach, fmt="o", color=NUMERICAL, capsize=4, label=label)
    ax.axvline(threshold, color=THRESHOLD, linestyle="--", label=threshold_label)
    ax.set_yticks(places, [textwrap.fill(name, 34) for name, _ in rows])
    ax.set(xlim=(-0.04, 1.04), ylim=(-0.6, len(rows) - 0.4), xlabel="share of prompts")
    figure.suptitle(f"{title} (n = {n} pairs)")
    legend_below(figure, ax)
    return figure


def paired_margins(panels: Mapping[str, pd.DataFrame], *, n: int, title: str) -> Figure:
    """Experiments 3.2 and 5.1: draws the margin of every prompt before and after an edit. Each edit has a panel.

    Args:
        panels: table for each edit, by its name. Columns `before` and `after` (logits).
        n: number of pairs.
        title: title of the figure.
    """
    figure = sheet(4.6)
    axes = np.atleast_1d(figure.subplots(1, max(1, len(panels)), sharey=True))
    for ax, (name, table) in zip(axes, panels.items(), strict=True):
        _paired(ax, name, table)
    axes[0].set_ylabel("margin, right − wrong (logits)")
    figure.suptitle(f"{title} (n = {n} pairs)")
    legend_below(figure, *axes)
    return figure


def _paired(ax: Axes, name: str, table: pd.DataFrame) -> None:
    right, wrong = ((table["before"] <= 0) & (table["after"] > 0)), ((table["before"] > 0) & (table["after"] <= 0))
    ax.set_title(f"{name}\n{right.sum()} of {len(table)} turn right, {wrong.sum()} wrong", fontsize=10.5)
    ax.set_xticks([0, 1], ["before", "after"])
    ax.set_xlim(-0.25, 1.25)
    ax.axhline(0, color="black", linewidth=0.8)
    if table.empty:
        nothing(ax, "no prompts")
        return
    kinds = (("turns right", right, GOOD, "-"), ("turns wrong", wrong, BAD, "--"),
             ("does not turn", ~right & ~wrong, OTHER, ":"))  # fmt: skip
    for label, chosen, colour, dashes in kinds:
        for i, row in enumerate(table[chosen].itertuples()):
            ax.plot([0, 1], [row.before, row.after], dashes, color=colour, alpha=0.6, marker=".",
                    label=label if i == 0 else None)  # fmt: skip
    ax.plot([0, 1], table[["before", "after"]].median(), "D-", color="black", linewidth=2, label="median")
