"""The figure of experiment 5.2."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from claims.competition.style import ASIDE, GROUPS
from reports.style import legend_below, nothing, sheet


def mask_strength(table: pd.DataFrame, *, n: int) -> Figure:
    """Experiment 5.2: draws success against the share of the format columns that the mask takes away.

    Args:
        table: columns `group` ("odd", "even"), `strength`, `share_right`, `low`, `high` (95 %).
        n: number of pairs.
    """
    figure = sheet(4.2)
    ax = figure.subplots()
    for k, (group, rows) in enumerate(table.groupby("group", sort=False)):
        spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["share_right"].to_numpy())
        places = rows["strength"] + ASIDE * k
        ax.errorbar(places, rows["share_right"], yerr=spread, capsize=3, label=f"in {group} heads", **GROUPS[group])
    if table.empty:
        nothing(ax, "no wrong answers to repair")
    ax.set(xlabel="share of the format tokens' attention that is masked", ylabel="share answered right",
           ylim=(-0.04, 1.04))  # fmt: skip
    figure.suptitle(f"Answers with format tokens masked at the layer of interest\n(n = {n} pairs of the bug set)")
    legend_below(figure, ax)
    return figure
