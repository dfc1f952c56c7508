"""The figures of experiments I1 and S1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from claims.induction.style import OWN
from reports.style import CHANCE, THRESHOLD, boxes, legend_below, sheet


def head_map(scores: NDArray[np.float64], top: Sequence[tuple[int, int]], *, threshold: float, n: int) -> Figure:
    """Experiment I1: draws the prefix-matching score of each head, with a ring around each top head.

    Args:
        scores: mean over sequences, [layer, head].
        top: the top heads, each (layer, head).
        threshold: the score of an induction head. The colour bar has a line there.
        n: number of sequences.
    """
    figure = sheet(min(8.0, 2.8 + 0.22 * scores.shape[1]))
    ax = figure.subplots()
    image = ax.imshow(scores.T, cmap="cividis", vmin=0, vmax=1, aspect="auto", origin="lower")
    bar = figure.colorbar(image, ax=ax, label="prefix-matching score")
    bar.ax.axhline(threshold, color=THRESHOLD, linewidth=2)
    at_layers, at_heads = zip(*top, strict=True)
    ax.scatter(at_layers, at_heads, s=90, facecolors="none", edgecolors=THRESHOLD, linewidths=2,
               label="top heads, chosen on other sequences")  # fmt: skip
    ax.set(xlabel="layer", ylabel="head")
    figure.suptitle(f"Attention to the token that followed an equal token\n(n = {n} sequences)")
    legend_below(figure, ax)
    return figure


def first_token_shares(shares: NDArray[np.float64], *, threshold: float, uniform: float, n: int) -> Figure:
    """Experiment S1: draws the attention to the first token, one box of all heads for each layer.

    Args:
        shares: mean over sequences, [layer, head].
        threshold: the share above which a head rests on the first token.
        uniform: the share of a head that attends evenly.
        n: number of sequences.
    """
    layers = len(shares)
    figure = sheet(4.2)
    ax = figure.subplots()
    boxes(ax, shares.tolist(), range(layers), 0.6, **OWN)
    ax.axhline(threshold, color=THRESHOLD, linestyle="--", label="rests on the first token")
    ax.axhline(uniform, color=CHANCE, linestyle=":", label="uniform attention")
    step = -(-layers // 16)
    ax.set_xticks(range(0, layers, step), [str(layer) for layer in range(0, layers, step)])
    ax.set(xlabel="layer", ylabel="attention to the first token", ylim=(-0.04, 1.04))
    figure.suptitle(f"First-token share of each head\n(n = {n} sequences)")
    legend_below(figure, ax)
    return figure
