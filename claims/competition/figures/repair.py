"""Figures of experiment set 5, of the controls, and of claims with several parts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.style import GROUPS, NUMERICAL, THRESHOLD, legend_below, nothing

if TYPE_CHECKING:
    from referee.judging.statistics import Estimate


def mask_strength(table: pd.DataFrame, *, n: int) -> Figure:
    """Experiment 5.2: draws success against the share of the format columns that the mask takes away.

    Args:
        table: columns `group` ("odd", "even"), `strength`, `share_right`, `low`, `high` (95 %).
        n: number of pairs.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    for group, rows in table.groupby("group", sort=False):
        spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["share_right"].to_numpy())
        ax.errorbar(rows["strength"], rows["share_right"], yerr=spread, capsize=3, label=f"in {group} heads",
                    **GROUPS[group])  # fmt: skip
    if table.empty:
        nothing(ax, "no wrong answers to repair")
    ax.set(xlabel="share of the format tokens' attention that is masked", ylabel="share answered right",
           ylim=(-0.04, 1.04))  # fmt: skip
    figure.suptitle(f"Answers with format tokens masked at the layer of interest\n(n = {n} pairs of the bug set)")
    legend_below(figure, ax)
    return figure


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
    figure = Figure(figsize=(8, 1.9 + 0.45 * len(rows)), layout="constrained")
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
