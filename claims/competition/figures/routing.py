"""Figures of experiment set 2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.style import GROUPS, NUMERICAL, THRESHOLD, boxes, legend_below, nothing

_MARKERS = "osD^vP"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_HATCHES = {"even": "", "odd": "//"}


def routes(table: pd.DataFrame, *, threshold: float, n: int) -> Figure:
    """Experiment 2.1: draws the attention of the last token to each place of the two numbers. Each format has a panel.

    Args:
        table: columns `head`, `group` ("even", "odd"), `place`, `format`, `attention_share` (mean over pairs).
        threshold: position of the threshold line, a share.
        n: number of pairs.
    """
    formats = list(dict.fromkeys(table["format"]))
    places = list(dict.fromkeys(table["place"]))
    figure = Figure(figsize=(3.4 * max(2, len(formats)), 4.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(formats), sharey=True))
    for ax, name in zip(panels, formats, strict=True):
        for k, group in enumerate(("even", "odd")):
            rows = table[(table["format"] == name) & (table["group"] == group)]
            values = [rows.loc[rows["place"] == place, "attention_share"] for place in places]
            middles = [i + 0.4 * k - 0.2 for i in range(len(places))]
            boxes(ax, values, middles, 0.34, hatch=_HATCHES[group], color=GROUPS[group]["color"],
                  marker=GROUPS[group]["marker"])  # fmt: skip
            ax.plot([], [], GROUPS[group]["marker"], color=GROUPS[group]["color"], label=f"{group} heads, one each")
        ax.axhline(threshold, color=THRESHOLD, linestyle="--", label=f"{threshold:.0%}")
        ax.set_xticks(range(len(places)), [place.replace(" ", "\n") for place in places], fontsize=9.5, rotation=60)
        ax.set_title(name)
    panels[0].set_ylabel("share of the last token's attention")
    figure.suptitle(f"Attention from the last token to the parts of the two numbers (n = {n} pairs)")
    legend_below(figure, panels[0])
    return figure


def edge_map(tokens: Sequence[str], edges: pd.DataFrame, numerical: Sequence[bool], *, title: str) -> Figure:
    """Experiment 2.2: draws the strongest edges of a few heads on the grid of tokens.

    Args:
        tokens: text of each token, [token].
        edges: columns `head`, `query`, `key`, `attribution_logits`. There are at most six heads.
        numerical: True if the token belongs to one of the numbers, [token].
        title: title of the figure, which names the prompt.
    """
    size = max(5.5, 0.3 * len(tokens))
    figure = Figure(figsize=(size + 1, size), layout="constrained")
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


def position_sensitivity(spread: pd.DataFrame, heat: pd.DataFrame, *, n: int) -> Figure:
    """Experiment 2.3: draws the variation of numerical bandwidth with the place of the numbers.

    Args:
        spread: columns `head`, `group` ("even", "odd"), `std_share` (over placements).
        heat: numerical bandwidth; index head, columns placement.
        n: number of pairs.
    """
    figure = Figure(figsize=(9.5, 5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.7))
    for place, group in enumerate(("even", "odd")):
        values = spread.loc[spread["group"] == group, "std_share"]
        boxes(left, [values], [place], 0.5, hatch=_HATCHES[group], color=GROUPS[group]["color"],
              marker=GROUPS[group]["marker"])  # fmt: skip
    left.set_xticks([0, 1], ["even heads", "odd heads"])
    left.set(ylabel="standard deviation over placements\n(share of attention)", ylim=(0, None))
    order = [head for parity in (0, 1) for head in heat.index if head % 2 == parity]
    image = right.imshow(heat.loc[order], aspect="auto", cmap="cividis", vmin=0)
    split = sum(head % 2 == 0 for head in heat.index) - 0.5
    right.axhline(split, color="white", linewidth=2)
    right.set_yticks([split / 2, (split + len(order)) / 2], ["even heads", "odd heads"], rotation=90, va="center")
    right.set_xticks(range(heat.shape[1]), heat.columns, rotation=35, ha="right", fontsize=10)
    figure.colorbar(image, ax=right, label="numerical bandwidth (share of attention)")
    figure.suptitle(f"Numerical bandwidth in six placements of the same comparison (n = {n} pairs)")
    return figure
