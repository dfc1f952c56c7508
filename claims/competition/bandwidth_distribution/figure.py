"""The figure of experiment 1.1."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from claims.competition.style import FORMAT, NUMERICAL, OTHER
from reports.style import CHANCE, THRESHOLD, legend_below, percent, sheet

_LOOKS = (("numerical", NUMERICAL, ""), ("format", FORMAT, "//"), ("other", OTHER, ".."))


def bandwidth_distribution(
    shares: pd.DataFrame, intervals: pd.DataFrame, chance: dict[str, float], *, threshold: float, n: int
) -> Figure:
    """Experiment 1.1: draws grouped bars by format and category, with one panel for even and one for odd heads.

    Args:
        shares: columns `group` ("even", "odd"), `format`, `category`, `share` (median over pairs).
        intervals: columns `group`, `format`, `low`, `high`: 95 % interval of the numerical share.
        chance: numerical share under uniform attention, by format.
        threshold: position of the threshold line, a share.
        n: number of pairs.
    """
    figure = sheet(4.2)
    axes = figure.subplots(1, 2, sharey=True)
    formats = list(chance)
    for ax, group in zip(axes, ("even", "odd"), strict=True):
        of_group = shares[shares["group"] == group].set_index(["format", "category"])["share"]
        places = np.arange(len(formats))
        for k, (category, colour, hatch) in enumerate(_LOOKS):
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
        medians = np.array([of_group[name, "numerical"] for name in formats])
        spread = np.abs(np.array([[bounds.loc[f, "low"], bounds.loc[f, "high"]] for f in formats]).T - medians)
        ax.errorbar(places - 0.27, medians, yerr=spread, fmt="none", ecolor="black", capsize=3, label="95 % interval")
        for place, name in zip(places, formats, strict=True):
            ax.hlines(chance[name], place - 0.42, place - 0.12, color=CHANCE, linestyle=":", linewidth=2,
                      label="numbers, uniform attention" if place == 0 else None)  # fmt: skip
        ax.axhline(threshold, color=THRESHOLD, linestyle="--", label=f"{percent(threshold)} threshold")
        ax.set_xticks(places, formats)
        ax.set_title(f"{group.capitalize()} heads")
        ax.set_ylim(0, 1)
    axes[0].set_ylabel("share of attention mass, all rows")
    figure.suptitle(f"Where attention goes, by token category (n = {n} pairs, both orders)")
    legend_below(figure, axes[0])
    return figure
