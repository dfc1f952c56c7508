"""The figures of experiments I2 and I3."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from claims.induction.style import OTHER, OWN
from reports.style import THRESHOLD, boxes, legend_below, sheet


def predicted(shares: Mapping[str, Sequence[Sequence[float]]], halves: Sequence[str], *, n: int) -> Figure:
    """Experiment I2: draws the share of tokens that are predicted, one box for each half and kind of sequence.

    Args:
        shares: the share in each sequence, [half, sequence] by kind of sequence.
        halves: the names of the halves.
        n: number of sequences with a repetition.
    """
    figure = sheet(4.2)
    ax = figure.subplots()
    for place, (values, look) in enumerate(zip(shares.values(), (OWN, OTHER), strict=True)):
        boxes(ax, values, [place * len(halves) + half for half in range(len(halves))], 0.6, **look)
    names = [f"{half},\n{kind}" for kind in shares for half in halves]
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel="share of the tokens predicted", ylim=(-0.04, 1.04))
    figure.suptitle(f"Tokens that are the most likely next token\n(n = {n} sequences)")
    return figure


def lost(arms: Mapping[str, Sequence[float]], sets: Sequence[float], *, threshold: float, n: int) -> Figure:
    """Experiment I3: draws the share of right copies that each knock-out loses.

    Args:
        arms: the share that each sequence loses, by knock-out.
        sets: the mean share that is lost in each other set of heads.
        threshold: position of the threshold line, a share.
        n: number of sequences.
    """
    figure = sheet(4.6)
    ax = figure.subplots()
    rows = {**arms, "other sets of heads of the same layers, each its mean": sets}
    for place, (name, values) in enumerate(rows.items()):
        boxes(ax, [values], [place], 0.6, **(OWN if name in arms else OTHER))
    ax.axhline(threshold, color=THRESHOLD, linestyle="--", label="lost, as claimed")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(range(len(rows)), [textwrap.fill(name, 22) for name in rows])
    ax.set(ylabel="share of right copies lost")
    figure.suptitle(f"Copies lost when heads are knocked out\n(n = {n} sequences)")
    legend_below(figure, ax)
    return figure
