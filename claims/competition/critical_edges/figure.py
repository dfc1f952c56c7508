"""The figure of experiment 2.2."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from claims.competition.style import NUMERICAL
from reports.style import legend_below, nothing, sheet

_MARKERS = "osD^vP"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


def edge_map(tokens: Sequence[str], edges: pd.DataFrame, numerical: Sequence[bool], *, title: str) -> Figure:
    """Experiment 2.2: draws the strongest edges of a few heads on the grid of tokens.

    Args:
        tokens: text of each token, [token].
        edges: columns `head`, `query`, `key`, `attribution_logits`. There are at most six heads.
        numerical: True if the token belongs to one of the numbers, [token].
        title: title of the figure, which names the prompt.
    """
    size = max(5.5, 0.3 * len(tokens))
    figure = sheet(size)
    ax = figure.subplots()
    for key, is_number in enumerate(numerical):
        if is_number:
            ax.axvspan(key - 0.5, key + 0.5, color=NUMERICAL, alpha=0.12,
                       label="tokens of the numbers" if key == list(numerical).index(True) else None)  # fmt: skip
    ax.plot([-0.5, len(tokens) - 0.5], [-0.5, len(tokens) - 0.5], color="black", linewidth=0.8)
    largest = edges["attribution_logits"].abs().max() if len(edges) else 1.0
    for i, (head, of_head) in enumerate(edges.groupby("head", sort=False)):
        shift = 0.16 * (i - 1.5)
        ax.scatter(of_head["key"] + shift, of_head["query"] + shift, marker=_MARKERS[i],
                   s=25 + 130 * of_head["attribution_logits"].abs() / largest, facecolors="none", linewidths=1.8,
                   edgecolors=_COLOURS[i], label=f"head {head}")  # fmt: skip
    if edges.empty:
        nothing(ax, "the margin depends on no edge")
    words = [word.replace("\n", "⏎") for word in tokens]
    ax.set_xticks(range(len(tokens)), words, rotation=90, fontsize=10)
    ax.set_yticks(range(len(tokens)), words, fontsize=10)
    for label, is_number in zip(ax.get_xticklabels(), numerical, strict=True):
        label.set_fontweight("bold" if is_number else "normal")
    ax.set(xlim=(-0.5, len(tokens) - 0.5), ylim=(len(tokens) - 0.5, -0.5), xlabel="key", ylabel="query")
    figure.suptitle(title, wrap=True)
    legend_below(figure, ax, columns=3)
    return figure
