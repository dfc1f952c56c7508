"""The figure of experiment 4.2."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from claims.competition.style import GROUPS, NUMERICAL
from reports.style import GOOD, THRESHOLD, legend_below, sheet


def head_subsets(
    success: pd.DataFrame, information: pd.DataFrame, *, needed: int, high: float, low: float, n: int
) -> Figure:
    """Experiment 4.2: draws success and entropy of the donor patterns against the number of repaired heads.

    Args:
        success: columns `population` ("even", "odd", "any"), `count`, `share_right`, `low`, `high` (95 %).
        information: columns `count`, `bits` (summed over the heads), `low`, `high` (range over subsets).
        needed: number of heads that is enough according to the claim.
        high: lowest claimed success with at least `needed` heads.
        low: highest claimed success with fewer heads.
        n: number of pairs.
    """
    figure = sheet(4.4)
    share, bits = figure.subplots(1, 2)
    last = success["count"].max()
    share.fill_between([needed - 0.5, last + 0.5], high, 1.04, color=GOOD, alpha=0.2, label="claimed: repair")
    share.fill_between([0.5, needed - 0.5], -0.04, low, color=THRESHOLD, alpha=0.2, label="claimed: no repair")
    for population, rows in success.groupby("population", sort=False):
        spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["share_right"].to_numpy())
        share.errorbar(rows["count"], rows["share_right"], yerr=spread, capsize=2, label=f"{population} heads",
                       **GROUPS[population])  # fmt: skip
    share.set(xlabel="heads with the right pattern", ylabel="share answered right", ylim=(-0.04, 1.04))
    bits.plot(information["count"], information["bits"], "o-", color=NUMERICAL, label="mean over subsets")
    bits.fill_between(information["count"], information["low"], information["high"], color=NUMERICAL, alpha=0.25,
                      label="range over subsets")  # fmt: skip
    bits.set(xlabel="heads with the right pattern", ylabel="summed entropy of their rows (bits)")
    for ax in (share, bits):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.axvline(needed, color=THRESHOLD, linestyle="--", label=f"claimed: {needed} heads are enough")
    figure.suptitle(f"How many heads need the right pattern (n = {n} pairs of the bug set)")
    legend_below(figure, share, bits, columns=3)
    return figure
