"""Tables → Figure. Plain arrays and tables in; no model code, no files."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito's palette stays apart for colour-blind readers; hatches and markers say the same in print.
NUMERICAL, FORMAT, OTHER = "#0072B2", "#E69F00", "#999999"
_THRESHOLD, _CHANCE, _GOOD, _BAD = "#D55E00", "#000000", "#009E73", "#CC79A7"
_CATEGORIES = (("numerical", NUMERICAL, ""), ("format", FORMAT, "//"), ("other", OTHER, ".."))

matplotlib.rcParams.update(
    {
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 12,
        "figure.dpi": 100,
        "savefig.bbox": "tight",
        "svg.hashsalt": "bandwidth",
    }
)


def bandwidth_distribution(
    shares: pd.DataFrame, intervals: pd.DataFrame, chance: dict[str, float], *, threshold: float, n: int
) -> Figure:
    """Experiment 1.1: grouped bars by format and category, one panel for even and one for odd heads.

    Args:
        shares: columns `group` ("even", "odd"), `format`, `category`, `share` (mean over pairs and heads).
        intervals: columns `group`, `format`, `low`, `high`: the numerical share's 95 % interval.
        chance: numerical share under uniform attention, by format.
        threshold: share at which the line is drawn.
        n: pairs.
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    formats = list(chance)
    for ax, group in zip(axes, ("even", "odd"), strict=True):
        held = shares[shares["group"] == group].set_index(["format", "category"])["share"]
        places = np.arange(len(formats))
        for k, (category, colour, hatch) in enumerate(_CATEGORIES):
            heights = [held[name, category] for name in formats]
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
        means = np.array([held[name, "numerical"] for name in formats])
        spread = np.abs(np.array([[bounds.loc[f, "low"], bounds.loc[f, "high"]] for f in formats]).T - means)
        ax.errorbar(places - 0.27, means, yerr=spread, fmt="none", ecolor="black", capsize=3, label="95 % interval")
        for place, name in zip(places, formats, strict=True):
            ax.hlines(chance[name], place - 0.42, place - 0.12, color=_CHANCE, linestyle=":", linewidth=2,
                      label="numbers, uniform attention" if place == 0 else None)  # fmt: skip
        ax.axhline(threshold, color=_THRESHOLD, linestyle="--", label=f"{threshold:.0%} threshold")
        ax.set_xticks(places, formats)
        ax.set_title(f"{group.capitalize()} heads")
        ax.set_ylim(0, 1)
    axes[0].set_ylabel("share of attention mass, all rows")
    figure.suptitle(f"Where attention goes, by token category (n = {n} pairs, both orders)")
    _legend_below(figure, axes[0])
    return figure


def replacement_curve(
    curves: pd.DataFrame,
    *,
    band: tuple[float, float],
    measured: tuple[float, float, float],
    uninformed: pd.DataFrame,
    n: int,
) -> Figure:
    """Experiment 4.1: success, margin and output norm against the share of the pattern replaced.

    Args:
        curves: columns `pair`, `order`, `amount`, `margin_logits`, `output_norm`; coarse amounts only.
        band: claimed interval of the crossing.
        measured: median crossing with its interval (value, low, high).
        uninformed: as `curves`, with a uniform donor.
        n: pairs.
    """
    figure = Figure(figsize=(10.5, 4.0), layout="constrained")
    success, margin, norm = figure.subplots(1, 3)
    share = curves.assign(right=curves["margin_logits"] > 0).groupby("amount")["right"].mean()
    blind = uninformed.assign(right=uninformed["margin_logits"] > 0).groupby("amount")["right"].mean()
    success.plot(share.index, share, "o-", color=NUMERICAL, markersize=4, label="Simple pattern")
    success.plot(blind.index, blind, "s:", color=_CHANCE, markersize=4, label="uniform pattern (chance)")
    success.set(ylabel="share of prompts answered right", ylim=(-0.03, 1.03))
    for _, curve in curves.groupby(["pair", "order"]):
        margin.plot(curve["amount"], curve["margin_logits"], color=NUMERICAL, alpha=0.25, linewidth=1)
        norm.plot(curve["amount"], curve["output_norm"], color=NUMERICAL, alpha=0.25, linewidth=1)
    for ax, column in ((margin, "margin_logits"), (norm, "output_norm")):
        middle = curves.groupby("amount")[column].median()
        ax.plot(middle.index, middle, color=NUMERICAL, linewidth=2.5, label="median prompt")
    margin.axhline(0, color="black", linewidth=0.8)
    margin.set(ylabel="margin, right − wrong (logits)")
    norm.set(ylabel="residual stream after the layer (norm)")
    norm.ticklabel_format(useOffset=False)
    for ax in (success, margin):
        ax.axvspan(*band, color=_THRESHOLD, alpha=0.2, label=f"claimed {band[0]:.0%}–{band[1]:.0%}")
        ax.axvspan(measured[1], measured[2], color=_GOOD, alpha=0.15)
        found = f"measured {measured[0]:.2f}" if measured[0] < 1 else "measured: no turn"
        ax.axvline(measured[0], color=_GOOD, linestyle="--", label=found)
    for ax in (success, margin, norm):
        ax.set_xlabel("share of the Q&A pattern replaced")
    figure.suptitle(f"How much of the pattern must be replaced (n = {n} pairs of the bug set)")
    _legend_below(figure, success, margin)
    return figure


def _legend_below(figure: Figure, *axes: Axes) -> None:
    found: dict[str, object] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    handles: Sequence = list(found.values())
    figure.legend(handles, list(found), loc="outside lower center", ncols=4, frameon=False, fontsize=9)


def __getattr__(name):
    return lambda *a, **k: Figure()
