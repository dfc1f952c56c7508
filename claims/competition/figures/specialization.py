"""Figures of experiment set 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.style import BAD, GOOD, GROUPS, OTHER, boxes, legend_below, nothing


def head_similarity(matrix: NDArray[np.float64], kv_groups: Sequence[int], *, n: int) -> Figure:
    """Experiment 3.1: draws correlations between patterns of heads.

    The left panel is the matrix with even heads before odd heads. The right panel has one box per kind of head pair.

    Args:
        matrix: correlations, [head, head].
        kv_groups: key-value group of each head.
        n: number of pairs of numbers.
    """
    figure = Figure(figsize=(9.5, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    heads = np.arange(len(matrix))
    order = np.concatenate([heads[::2], heads[1::2]])
    image = left.imshow(matrix[np.ix_(order, order)], cmap="PuOr", vmin=-1, vmax=1)
    split = len(heads[::2])
    left.axhline(split - 0.5, color="black")
    left.axvline(split - 0.5, color="black")
    middles = [split / 2 - 0.5, (split + len(heads)) / 2 - 0.5]
    left.set_xticks(middles, ["even heads", "odd heads"])
    left.set_yticks(middles, ["even heads", "odd heads"], rotation=90, va="center")
    figure.colorbar(image, ax=left, label="correlation of patterns", shrink=0.8)
    one, other = np.triu_indices(len(heads), 1)
    values, group = matrix[one, other], np.asarray(kv_groups)
    same_parity, same_group = one % 2 == other % 2, group[one] == group[other]
    kinds = {
        "two even": (same_parity & (one % 2 == 0), GROUPS["even"]["color"], ""),
        "two odd": (same_parity & (one % 2 == 1), GROUPS["odd"]["color"], "//"),
        "even, odd": (~same_parity, OTHER, ".."),
        "one kv group": (same_group, GOOD, "\\\\"),
        "two kv groups": (~same_group, BAD, "xx"),
    }
    for place, (chosen, colour, hatch) in enumerate(kinds.values()):
        boxes(right, [values[chosen]], [place], 0.6, color=colour, hatch=hatch)
    right.set_xticks(range(len(kinds)), kinds, rotation=35, ha="right")
    right.axhline(0, color="black", linewidth=0.8)
    right.set_ylabel("correlation of two heads' patterns")
    figure.suptitle(f"Do heads of one parity attend alike? (n = {n} pairs)")
    return figure


def paired_margins(panels: Mapping[str, pd.DataFrame], *, n: int, title: str) -> Figure:
    """Experiments 3.2 and 5.1: draws the margin of every prompt before and after an edit. Each edit has a panel.

    Args:
        panels: table for each edit, by its name. Columns `before` and `after` (logits).
        n: number of pairs.
        title: title of the figure.
    """
    figure = Figure(figsize=(4.6 * max(1, len(panels)), 4.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, max(1, len(panels)), sharey=True))
    for ax, (name, table) in zip(axes, panels.items(), strict=True):
        _paired(ax, name, table)
    axes[0].set_ylabel("margin, right − wrong (logits)")
    figure.suptitle(f"{title} (n = {n} pairs)")
    legend_below(figure, *axes)
    return figure


def _paired(ax: Axes, name: str, table: pd.DataFrame) -> None:
    right, wrong = ((table["before"] <= 0) & (table["after"] > 0)), ((table["before"] > 0) & (table["after"] <= 0))
    ax.set_title(f"{name}\n{right.sum()} of {len(table)} turn right, {wrong.sum()} wrong", fontsize=10.5)
    ax.set_xticks([0, 1], ["before", "after"])
    ax.set_xlim(-0.25, 1.25)
    ax.axhline(0, color="black", linewidth=0.8)
    if table.empty:
        nothing(ax, "no prompts")
        return
    kinds = (("turns right", right, GOOD, "-"), ("turns wrong", wrong, BAD, "--"),
             ("does not turn", ~right & ~wrong, OTHER, ":"))  # fmt: skip
    for label, chosen, colour, dashes in kinds:
        for i, row in enumerate(table[chosen].itertuples()):
            ax.plot([0, 1], [row.before, row.after], dashes, color=colour, alpha=0.6, marker=".",
                    label=label if i == 0 else None)  # fmt: skip
    ax.plot([0, 1], table[["before", "after"]].median(), "D-", color="black", linewidth=2, label="median")
