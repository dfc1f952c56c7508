"""Figures of experiment set 1."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.style import (
    BAD,
    CHANCE,
    FORMAT,
    GOOD,
    GROUPS,
    NUMERICAL,
    OTHER,
    THRESHOLD,
    legend_below,
    nothing,
)

CATEGORIES = (("numerical", NUMERICAL, ""), ("format", FORMAT, "//"), ("other", OTHER, ".."))


def bandwidth_distribution(
    shares: pd.DataFrame, intervals: pd.DataFrame, chance: dict[str, float], *, threshold: float, n: int
) -> Figure:
    """Experiment 1.1: draws grouped bars by format and category, with one panel for even and one for odd heads.

    Args:
        shares: columns `group` ("even", "odd"), `format`, `category`, `share` (mean over pairs and heads).
        intervals: columns `group`, `format`, `low`, `high`: 95 % interval of the numerical share.
        chance: numerical share under uniform attention, by format.
        threshold: position of the threshold line, a share.
        n: number of pairs.
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    formats = list(chance)
    for ax, group in zip(axes, ("even", "odd"), strict=True):
        of_group = shares[shares["group"] == group].set_index(["format", "category"])["share"]
        places = np.arange(len(formats))
        for k, (category, colour, hatch) in enumerate(CATEGORIES):
            heights = [of_group[name, category] for name in formats]
            label = f"{category} tokens"
            ax.bar(
                places + 0.27 * (k - 1),
                heights,
                0.25,
                color=colour,
                hatch=hatch,
                label=label,
                edgecolor="white",
            )
        bounds = intervals[intervals["group"] == group].set_index("format")
        means = np.array([of_group[name, "numerical"] for name in formats])
        spread = np.abs(np.array([[bounds.loc[f, "low"], bounds.loc[f, "high"]] for f in formats]).T - means)
        ax.errorbar(places - 0.27, means, yerr=spread, fmt="none", ecolor="black", capsize=3, label="95 % interval")
        for place, name in zip(places, formats, strict=True):
            ax.hlines(chance[name], place - 0.42, place - 0.12, color=CHANCE, linestyle=":", linewidth=2,
                      label="numbers, uniform attention" if place == 0 else None)  # fmt: skip
        ax.axhline(threshold, color=THRESHOLD, linestyle="--", label=f"{threshold:.0%} threshold")
        ax.set_xticks(places, formats)
        ax.set_title(f"{group.capitalize()} heads")
        ax.set_ylim(0, 1)
    axes[0].set_ylabel("share of attention mass, all rows")
    figure.suptitle(f"Where attention goes, by token category (n = {n} pairs, both orders)")
    legend_below(figure, axes[0])
    return figure


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
    figure = Figure(figsize=(9, 6.2), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    columns = (("Right answers", breaking, n_breaking), ("Bug set", repairing, n_repairing))
    for column, (name, table, n) in enumerate(columns):
        accuracy, margin = panels[:, column]
        accuracy.set(ylim=(-0.04, 1.04), title=f"{name} (n = {n} pairs)")
        margin.set_xlabel("share of attention set for the numbers")
        if table.empty:
            nothing(accuracy, "too few such prompts")
            continue
        for group, rows in table.groupby("group", sort=False):
            look = GROUPS[group]
            spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["share_right"].to_numpy())
            accuracy.errorbar(
                rows["target"], rows["share_right"], yerr=spread, capsize=2, label=f"{group} heads", **look
            )
            margin.plot(rows["target"], rows["margin_logits"], **look)
        margin.axhline(0, color="black", linewidth=0.8)
        for ax in (accuracy, margin):
            ax.axvline(threshold, color=THRESHOLD, linestyle="-.", label=f"{threshold:.0%} threshold")
    panels[0, 0].set_ylabel("share answered right")
    panels[1, 0].set_ylabel("median margin (logits)")
    figure.suptitle("Answers when a group of heads gives a set share of attention to the numbers")
    legend_below(figure, *panels[0])
    return figure


def format_injection(
    table: pd.DataFrame,
    *,
    share_threshold: float,
    drop_band: tuple[float, float],
    change: tuple[float, float, float] | None,
) -> Figure:
    """Experiment 1.3: draws numerical bandwidth and accuracy against the share of format tokens.

    Args:
        table: columns `format`, `generated`, `format_share`, `numerical_share`, `correct` (share), `n` (pairs).
        share_threshold: position of the threshold line, a numerical share.
        drop_band: claimed range of the drop of accuracy, in share of format tokens.
        change: measured place of the drop (value, low, high). None if accuracy does not drop.
    """
    figure = Figure(figsize=(9.5, 4.6), layout="constrained")
    share, accuracy = figure.subplots(1, 2)
    kinds = (("mostly right", table["correct"] > 2 / 3, GOOD, "o"), ("mixed", None, OTHER, "D"),
             ("mostly wrong", table["correct"] < 1 / 3, BAD, "X"))  # fmt: skip
    mixed = ~(kinds[0][1] | kinds[2][1])
    for name, chosen, colour, marker in kinds:
        rows = table[mixed if chosen is None else chosen]
        share.plot(rows["format_share"], rows["numerical_share"], marker, color=colour, markersize=8,
                   markeredgecolor="black", markeredgewidth=0.6, label=f"answered {name}")  # fmt: skip
    for i, row in enumerate(table[~table["generated"]].sort_values("format_share").itertuples()):
        below = i % 2
        share.annotate(row.format, (row.format_share, row.numerical_share), xytext=(4, -14 if below else 8),
                       textcoords="offset points", fontsize=9.5)  # fmt: skip
    share.axhline(share_threshold, color=CHANCE, linestyle="--", label=f"{share_threshold:.0%} of attention")
    ordered = table.sort_values("format_share")
    accuracy.plot(ordered["format_share"], ordered["correct"], "o-", color=NUMERICAL, label="share answered right")
    for ax in (share, accuracy):
        ax.axvspan(*drop_band, color=THRESHOLD, alpha=0.2, label=f"drop claimed, {drop_band[0]:.0%}–{drop_band[1]:.0%}")
        ax.set(xlabel="share of format tokens in the prompt", ylim=(-0.04, 1.04), xlim=(-0.04, 0.94))
    _change(accuracy, change)
    share.set_ylabel("numerical bandwidth, mean over heads")
    accuracy.set_ylabel("share answered right")
    n = int(table["n"].max()) if len(table) else 0
    figure.suptitle(f"More and more format tokens around the same comparison (n = {n} pairs)")
    legend_below(figure, share, accuracy, columns=3)
    return figure


def _change(ax: Axes, change: tuple[float, float, float] | None) -> None:
    if change is None:
        ax.text(0.5, 0.5, "no drop found", transform=ax.transAxes, ha="center")
        return
    ax.axvspan(change[1], change[2], color=GOOD, alpha=0.25)
    ax.axvline(change[0], color=GOOD, linestyle="--", label=f"drop found at {change[0]:.0%}")
