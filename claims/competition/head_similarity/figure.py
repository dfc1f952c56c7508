"""The figure of experiment 3.1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from claims.competition.style import GROUPS, OTHER
from reports.style import BAD, GOOD, boxes, sheet


def head_similarity(
    matrix: NDArray[np.float64],
    kv_groups: Sequence[int],
    *,
    even_heads: Sequence[int],
    odd_heads: Sequence[int],
    n: int,
) -> Figure:
    """Experiment 3.1: draws correlations between patterns of heads.

    The left panel is the matrix with even heads before odd heads. The right panel has one box per kind of head pair.

    Args:
        matrix: correlations, [head, head].
        kv_groups: key-value group of each head.
        even_heads: the heads in the first rows and columns of the matrix.
        odd_heads: the heads in the last rows and columns of the matrix.
        n: number of pairs of numbers.
    """
    figure = sheet(4.8)
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    order = [*even_heads, *odd_heads]
    image = left.imshow(matrix[np.ix_(order, order)], cmap="PuOr", vmin=-1, vmax=1)
    split = len(even_heads)
    left.axhline(split - 0.5, color="black")
    left.axvline(split - 0.5, color="black")
    middles = [split / 2 - 0.5, (split + len(order)) / 2 - 0.5]
    left.set_xticks(middles, ["even heads", "odd heads"])
    left.set_yticks(middles, ["even heads", "odd heads"], rotation=90, va="center")
    figure.colorbar(image, ax=left, label="correlation of patterns", location="bottom", ticks=[-1, -0.5, 0, 0.5, 1])
    one, other = np.triu_indices(len(matrix), 1)
    values, group = matrix[one, other], np.asarray(kv_groups)
    one_even, other_even = np.isin(one, even_heads), np.isin(other, even_heads)
    same_group = group[one] == group[other]
    kinds = {
        "two even": (one_even & other_even, GROUPS["even"]["color"], ""),
        "two odd": (~one_even & ~other_even, GROUPS["odd"]["color"], "//"),
        "even, odd": (one_even != other_even, OTHER, ".."),
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
