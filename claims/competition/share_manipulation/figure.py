"""The figure of experiment 1.2."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from claims.competition.style import ASIDE, GROUPS
from reports.style import THRESHOLD, legend_below, nothing, percent, sheet


def share_manipulation(
    breaking: pd.DataFrame, repairing: pd.DataFrame, *, threshold: float, n_breaking: int, n_repairing: int
) -> Figure:
    """Experiment 1.2: draws accuracy and margin against the numerical share that an edit sets.

    Args:
        breaking: table of right answers. Columns `group` ("even", "odd", "all"), `target`, `share_right` with `low`
            and `high` (95 %), `margin_logits` (median).
        repairing: the same table for the bug set.
        threshold: position of the threshold line, a share.
        n_breaking: number of pairs of right answers.
        n_repairing: number of pairs of the bug set.
    """
    figure = sheet(6.2)
    panels = figure.subplots(2, 2, sharex=True)
    columns = (("Right answers", breaking, n_breaking), ("Bug set", repairing, n_repairing))
    for column, (name, table, n) in enumerate(columns):
        accuracy, margin = panels[:, column]
        accuracy.set(ylim=(-0.04, 1.04), title=f"{name} (n = {n} pairs)")
        margin.set_xlabel("share of attention set for the numbers")
        if table.empty:
            nothing(accuracy, "too few such prompts")
            continue
        for k, (group, rows) in enumerate(table.groupby("group", sort=False)):
            look = GROUPS[group]
            spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["share_right"].to_numpy())
            places = rows["target"] + ASIDE * (k - 1)
            accuracy.errorbar(places, rows["share_right"], yerr=spread, capsize=2, label=f"{group} heads", **look)
            margin.plot(rows["target"], rows["margin_logits"], **look)
        margin.axhline(0, color="black", linewidth=0.8)
        for ax in (accuracy, margin):
            ax.axvline(threshold, color=THRESHOLD, linestyle="-.", label=f"{percent(threshold)} threshold")
    panels[0, 0].set_ylabel("share answered right")
    panels[1, 0].set_ylabel("median margin (logits)")
    figure.suptitle("Answers when a group of heads gives a set share of attention to the numbers")
    legend_below(figure, *panels[0])
    return figure
