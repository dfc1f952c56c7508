"""The figure of experiment 4.1."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from claims.competition.style import NUMERICAL
from reports.style import CHANCE, GOOD, THRESHOLD, legend_below, percent, sheet


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
    figure = sheet(4.0)
    success, margin, norm = figure.subplots(1, 3)
    share = curves.assign(right=curves["margin_logits"] > 0).groupby("amount")["right"].mean()
    blind = uninformed.assign(right=uninformed["margin_logits"] > 0).groupby("amount")["right"].mean()
    success.plot(share.index, share, "o-", color=NUMERICAL, markersize=4, label="Simple pattern")
    success.plot(blind.index, blind, "s:", color=CHANCE, markersize=4, label="uniform pattern (chance)")
    success.set(ylabel="share answered right", ylim=(-0.03, 1.03))
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
        ax.axvspan(*band, color=THRESHOLD, alpha=0.2, label=f"claimed {100 * band[0]:.0f}–{percent(band[1])}")
        ax.axvspan(measured[1], measured[2], color=GOOD, alpha=0.15)
        found = f"measured {measured[0]:.2f}" if measured[0] < 1 else "measured: no turn"
        ax.axvline(measured[0], color=GOOD, linestyle="--", label=found)
    for ax in (success, margin, norm):
        ax.set_xticks([0, 0.5, 1])
    margin.set_xlabel("share of the Q&A pattern replaced")
    figure.suptitle(f"How much of the pattern must be replaced (n = {n} pairs of the bug set)")
    legend_below(figure, success, margin, columns=3)
    return figure
