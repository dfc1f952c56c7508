"""The figure of experiment S2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from claims.induction.style import OTHER, OWN
from reports.style import boxes, sheet


def changes(moves: Mapping[str, Sequence[float]], *, n: int) -> Figure:
    """Experiment S2: draws the change of the log probability of each sequence, one box for each move of attention.

    Args:
        moves: the change of each sequence in nats, by the move. The first one is that of the claim.
        n: number of sequences.
    """
    figure = sheet(4.4)
    ax = figure.subplots()
    for place, values in enumerate(moves.values()):
        boxes(ax, [values], [place], 0.6, **(OTHER if place else OWN))
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(range(len(moves)), list(moves))
    ax.set(xlabel="attention moved", ylabel="change of log probability (nats)")
    figure.suptitle(f"Log probability of the second half with moved attention\n(n = {n} sequences)")
    return figure
