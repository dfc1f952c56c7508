"""The figure of experiment 2.3."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from claims.competition.style import GROUPS, HATCHES
from reports.style import boxes, sheet


def position_sensitivity(
    spread: pd.DataFrame, heat: pd.DataFrame, *, even_heads: Sequence[int], odd_heads: Sequence[int], n: int
) -> Figure:
    """Experiment 2.3: draws the variation of numerical bandwidth with the place of the numbers.

    Args:
        spread: columns `head` and `std_share` (over placements).
        heat: numerical bandwidth; index head, columns placement.
        even_heads: the heads of the left box, and of the upper half of the map.
        odd_heads: the heads of the right box, and of the lower half of the map.
        n: number of pairs.
    """
    figure = sheet(5)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.7))
    for place, (group, heads) in enumerate({"even": even_heads, "odd": odd_heads}.items()):
        values = spread.loc[spread["head"].isin(heads), "std_share"]
        boxes(left, [values], [place], 0.5, hatch=HATCHES[group], color=GROUPS[group]["color"],
              marker=GROUPS[group]["marker"])  # fmt: skip
    left.set_xticks([0, 1], ["even heads", "odd heads"])
    left.set(ylabel="standard deviation over placements\n(share of attention)", ylim=(0, None))
    order = [*even_heads, *odd_heads]
    image = right.imshow(heat.loc[order], aspect="auto", cmap="cividis", vmin=0)
    split = len(even_heads) - 0.5
    right.axhline(split, color="white", linewidth=2)
    right.set_yticks([split / 2, (split + len(order)) / 2], ["even heads", "odd heads"], rotation=90, va="center")
    names = [name.replace("_", " ") for name in heat.columns]
    right.set_xticks(range(heat.shape[1]), names, rotation=35, ha="right", fontsize=10)
    figure.colorbar(image, ax=right, label="numerical bandwidth (share of attention)")
    figure.suptitle(f"Numerical bandwidth in six placements of the same comparison (n = {n} pairs)")
    return figure
