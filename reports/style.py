"""Common style of all figures: colours that colour-blind readers can distinguish, legends, and box plots."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colour-blind readers can distinguish the palette of Okabe & Ito. Hatches, markers and dashes help in print.
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#999999"
THRESHOLD, CHANCE, GOOD, BAD = "#D55E00", "#000000", "#009E73", "#CC79A7"

RULES = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "figure.dpi": 100,
    "text.parse_math": False,  # a token may contain dollar signs
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],  # Verdana is as wide, and no usual font is wider
    "svg.fonttype": "none",  # text as text takes half the space of text as curves
    "svg.hashsalt": "referee",
}
"""Settings of matplotlib for the figures of a report. The others have matplotlib's own defaults."""


WIDTH = 8.0
"""Width of every figure in inches. With equal widths, text has one size on the page, whatever the figure is."""


def applied() -> AbstractContextManager[None]:
    """Returns a context in which figures have this style, whatever the user's own settings are.

    Matplotlib reads some settings when it draws, and others when it saves, so both happen inside the context.
    """
    return style.context(["default", RULES])


def sheet(height: float) -> Figure:
    """Returns an empty figure of the common width. `height` is in inches."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def percent(share: float) -> str:
    """Returns a share in percent."""
    return f"{100 * share:.0f} %"


def legend_below(figure: Figure, *axes: Axes, columns: int = 4) -> None:
    """Draws one legend under all panels. Each label appears once."""
    found: dict[str, object] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    handles: Sequence = list(found.values())
    if handles:
        figure.legend(handles, list(found), loc="outside lower center", ncols=columns, frameon=False, fontsize=10)


def nothing(ax: Axes, why: str) -> None:
    """Writes the reason into an empty panel."""
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes, wrap=True)


def boxes(ax: Axes, values: Sequence[Sequence[float]], places: Sequence[float], width: float, **look: str) -> None:
    """Draws box plots with every value as a point near the middle. `look` has `color`, `marker` and `hatch`."""
    filled = [(list(v), place) for v, place in zip(values, places, strict=True) if len(v)]
    if not filled:
        return
    drawn = ax.boxplot(
        [v for v, _ in filled], positions=[p for _, p in filled], widths=width, showfliers=False, patch_artist=True,
        medianprops={"color": "black"}, manage_ticks=False,
    )  # fmt: skip
    for box in drawn["boxes"]:
        box.set(facecolor=look["color"], alpha=0.35, hatch=look.get("hatch", ""))
    for v, place in filled:
        aside = [place + width * 0.3 * ((k * 7) % 11 / 5 - 1) for k in range(len(v))]
        ax.plot(aside, v, look.get("marker", "o"), color=look["color"], markersize=3.5, markeredgecolor="white",
                markeredgewidth=0.4)  # fmt: skip
