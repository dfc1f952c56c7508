"""The figure of claim B1."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from claims.competition.prompts import in_words
from claims.competition.style import FORMAT, NUMERICAL
from reports.style import CHANCE, legend_below, sheet

_LOOKS = ((NUMERICAL, "o", -0.08), (FORMAT, "s", 0.08))
"""The colour, the marker and the distance from the tick of each format."""


def accuracy_by_order(table: pd.DataFrame, *, n: int) -> Figure:
    """Claim B1: draws the share of right answers by format and order of the numbers.

    Args:
        table: columns `format`, `order`, `share_right`, `low`, `high` (95 %).
        n: number of pairs.
    """
    figure = sheet(4.2)
    ax = figure.subplots()
    orders = list(dict.fromkeys(table["order"]))
    for (name, rows), (colour, marker, aside) in zip(table.groupby("format", sort=False), _LOOKS, strict=False):
        places = [orders.index(order) + aside for order in rows["order"]]
        spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["share_right"].to_numpy())
        ax.errorbar(places, rows["share_right"], yerr=spread, color=colour, marker=marker, linestyle="--", capsize=4,
                    label=f"{name}, 95 % interval")  # fmt: skip
    ax.axhline(0.5, color=CHANCE, linestyle=":", label="guessing")
    ax.set_xticks(range(len(orders)), [in_words(order) for order in orders])
    ax.set(ylabel="share answered right", ylim=(-0.04, 1.04), xlim=(-0.5, max(1, len(orders)) - 0.5))
    figure.suptitle(f"Answers of the unedited model (n = {n} pairs)")
    legend_below(figure, ax)
    return figure
