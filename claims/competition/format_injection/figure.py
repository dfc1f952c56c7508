"""The figure of experiment 1.3."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from claims.competition.style import NUMERICAL, OTHER
from reports.style import BAD, GOOD, THRESHOLD, legend_below, percent, sheet

_STEP = 0.05
"""Width of the classes of format share, within which the panel of accuracy shows means."""


def format_injection(
    table: pd.DataFrame,
    *,
    share_threshold: float,
    drop_band: tuple[float, float],
    change: tuple[float, float, float] | None,
) -> Figure:
    """Experiment 1.3: draws numerical bandwidth and accuracy against the share of format tokens.

    Args:
        table: one row per phrasing and format; columns `format`, `generated`, `format_share`, `numerical_share`,
            `correct` (share), `n` (phrasings).
        share_threshold: position of the threshold line, a numerical share.
        drop_band: claimed range of the drop of accuracy, in share of format tokens.
        change: measured place of the drop (value, low, high). None if accuracy does not drop.
    """
    figure = sheet(4.6)
    share, accuracy = figure.subplots(1, 2)
    kinds = (("mostly right", table["correct"] > 2 / 3, GOOD, "o"), ("mixed", None, OTHER, "D"),
             ("mostly wrong", table["correct"] < 1 / 3, BAD, "X"))  # fmt: skip
    mixed = ~(kinds[0][1] | kinds[2][1])
    for name, chosen, colour, marker in kinds:
        rows = table[mixed if chosen is None else chosen]
        share.plot(rows["format_share"], rows["numerical_share"], marker, color=colour, markersize=6,
                   markeredgecolor="black", markeredgewidth=0.6, label=f"answered {name}")  # fmt: skip
    for i, row in enumerate(table[~table["generated"]].sort_values("format_share").itertuples()):
        below = i % 2
        share.annotate(row.format, (row.format_share, row.numerical_share), xytext=(4, -14 if below else 8),
                       textcoords="offset points", fontsize=9.5)  # fmt: skip
    share.axhline(share_threshold, color=THRESHOLD, linestyle="--", label=f"{percent(share_threshold)} of attention")
    generated = table[table["generated"]]
    steps = (generated["format_share"] / _STEP).round() * _STEP
    means = generated.groupby(steps)["correct"].mean()
    accuracy.plot(means.index, means, "o-", color=NUMERICAL, label="share answered right, mean over phrasings")
    claimed = f"drop claimed, {100 * drop_band[0]:.0f}–{percent(drop_band[1])}"
    for ax in (share, accuracy):
        ax.axvspan(*drop_band, color=THRESHOLD, alpha=0.2, label=claimed)
        ax.set(xlabel="share of format tokens in the prompt", ylim=(-0.04, 1.04), xlim=(-0.04, 0.94))
    _change(accuracy, change)
    share.set_ylabel("mean numerical bandwidth")
    accuracy.set_ylabel("share answered right")
    n = int(table["n"].max()) if len(table) else 0
    figure.suptitle(f"More and more format tokens around the same comparison (n = {n} phrasings)")
    legend_below(figure, share, accuracy, columns=2)
    return figure


def _change(ax: Axes, change: tuple[float, float, float] | None) -> None:
    if change is None:
        ax.set_title("no drop found")
        return
    ax.axvspan(change[1], change[2], color=GOOD, alpha=0.25)
    ax.axvline(change[0], color=GOOD, linestyle="--", label=f"drop found at {percent(change[0])}")
