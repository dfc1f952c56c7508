"""The figure of experiment 2.1."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from claims.competition.style import GROUPS, HATCHES
from reports.style import THRESHOLD, boxes, legend_below, percent, sheet


def routes(table: pd.DataFrame, *, threshold: float, n: int) -> Figure:
    """Experiment 2.1: draws the attention of the last token to each place of the two numbers. Each format has a panel.

    Args:
        table: columns `head`, `group` ("even", "odd"), `place`, `format`, `attention_share` (mean over pairs).
        threshold: position of the threshold line, a share.
        n: number of pairs.
    """
    formats = list(dict.fromkeys(table["format"]))
    places = list(dict.fromkeys(table["place"]))
    figure = sheet(4.6)
    panels = np.atleast_1d(figure.subplots(1, len(formats), sharey=True))
    for ax, name in zip(panels, formats, strict=True):
        for k, group in enumerate(("even", "odd")):
            rows = table[(table["format"] == name) & (table["group"] == group)]
            values = [rows.loc[rows["place"] == place, "attention_share"] for place in places]
            middles = [i + 0.4 * k - 0.2 for i in range(len(places))]
            boxes(ax, values, middles, 0.34, hatch=HATCHES[group], color=GROUPS[group]["color"],
                  marker=GROUPS[group]["marker"])  # fmt: skip
            ax.plot([], [], GROUPS[group]["marker"], color=GROUPS[group]["color"], label=f"{group} heads, one each")
        ax.axhline(threshold, color=THRESHOLD, linestyle="--", label=f"{percent(threshold)} threshold")
        ax.set_xticks(range(len(places)), places, fontsize=10, rotation=90)
        ax.set_title(name)
    panels[0].set_ylabel("share of the last token's attention")
    figure.suptitle(f"Attention from the last token to the parts of the two numbers (n = {n} pairs)")
    legend_below(figure, panels[0])
    return figure
