"""Figures of experiment set 4."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.style import CHANCE, GOOD, GROUPS, NUMERICAL, THRESHOLD, legend_below


def replacement_curve(
    curves: pd.DataFrame,
    *,
    band: tuple[float, float],
    measured: tuple[float, float, float],
    uninformed: pd.DataFrame,
    n: int,
) -> Figure:
    """Experiment 4.1: draws success, margin and output norm against the share of the pattern replaced.

    Args:
        curves: columns `pair`, `order`, `amount`, `margin_logits`, `output_norm`. It has only coarse amounts.
        band: claimed interval of the crossing.
        measured: median crossing with its interval (value, low, high).
        uninformed: the same table as `curves`, with a uniform donor.
        n: number of pairs.
    """
    figure = Figure(figsize=(10.5, 4.0), layout="constrained")
    success, margin, norm = figure.subplots(1, 3)
    share = curves.assign(right=curves["margin_logits"] > 0).groupby("amount")["right"].mean()
    blind = uninformed.assign(right=uninformed["margin_logits"] > 0).groupby("amount")["right"].mean()
    success.plot(share.index, share, "o-", color=NUMERICAL, markersize=4, label="Simple pattern")
    success.plot(blind.index, blind, "s:", color=CHANCE, markersize=4, label="uniform pattern (chance)")
    success.set(ylabel="share of prompts answered right", ylim=(-0.03, 1.03))
    for _, curve in curves.groupby(["pair", "order"]):
        margin.plot(curve["amount"], curve["margin_logits"], color=NUMERICAL, alpha=0.25, linewidth=1)
        norm.plot(curve["amount"], curve["output_norm"], color=NUMERICAL, alpha=0.25, linewidth=1)
    for ax, column in ((margin, "margin_logits"), (norm, "output_norm")):
        middle = curves.groupby("amount")[column].median()
        ax.plot(middle.index, middle, color=NUMERICAL, linewidth=2.5, label="median prompt")
    margin.axhline(0, color="black", linewidth=0.8)
    margin.set(ylabel="margin, right − wrong (logits)")
    norm.set(ylabel="norm of the residual stream")
    norm.ticklabel_format(useOffset=False)
    for ax in (success, margin):
        ax.axvspan(*band, color=THRESHOLD, alpha=0.2, label=f"claimed {band[0]:.0%}–{band[1]:.0%}")
        ax.axvspan(measured[1], measured[2], color=GOOD, alpha=0.15)
        found = f"measured {measured[0]:.2f}" if measured[0] < 1 else "measured: no turn"
        ax.axvline(measured[0], color=GOOD, linestyle="--", label=found)
    for ax in (success, margin, norm):
        ax.set_xlabel("share of the Q&A pattern replaced")
    figure.suptitle(f"How much of the pattern must be replaced (n = {n} pairs of the bug set)")
    legend_below(figure, success, margin)
    return figure


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
    figure = Figure(figsize=(9.5, 4.4), layout="constrained")
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
    bits.set(xlabel="heads with the right pattern", ylabel="entropy of their rows, summed (bits)")
    for ax in (share, bits):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.axvline(needed, color=CHANCE, linestyle="--", label=f"{needed} heads")
    figure.suptitle(f"How many heads need the right pattern (n = {n} pairs of the bug set)")
    legend_below(figure, share, bits)
    return figure
