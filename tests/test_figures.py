"""Every figure says what it shows, draws its thresholds, and accepts an empty table."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from claims.competition.bandwidth_distribution.figure import bandwidth_distribution
from claims.competition.critical_edges.figure import edge_map
from claims.competition.format_injection.figure import format_injection
from claims.competition.format_masking.figure import mask_strength
from claims.competition.head_similarity.figure import head_similarity
from claims.competition.head_subsets.figure import head_subsets
from claims.competition.last_token_routes import figure as last_token_routes
from claims.competition.pattern_replacement.figure import replacement_curve
from claims.competition.position_sensitivity.figure import position_sensitivity
from claims.competition.share_manipulation.figure import share_manipulation
from claims.competition.shared_figures import paired_margins, shares
from referee.judging.statistics import Estimate
from reports import style

GROUPS = ("even", "odd")
PLACES = [f"{n} {p}" for n in ("first", "second") for p in ("integer", "point", "fraction")]
CURVE_COLUMNS = ["group", "target", "share_right", "low", "high", "margin_logits"]


def curve(along, groups=GROUPS, points=(0.1, 0.5, 0.9)):
    rows = [(g, x, x, max(0, x - 0.1), min(1, x + 0.1), 10 * x - 5) for g in groups for x in points]
    return pd.DataFrame(rows, columns=["group", along, *CURVE_COLUMNS[2:]])


def injection(correct=(1.0, 0.5, 0.0)):
    return pd.DataFrame(
        {"format": ["Minimal", "3 words", "9 words"], "generated": [False, True, True], "correct": correct,
         "format_share": [0.1, 0.4, 0.7], "numerical_share": [0.8, 0.6, 0.3], "n": 12}
    )  # fmt: skip


def routes(formats=("Simple", "Q&A")):
    rows = [(h, GROUPS[h % 2], p, f, 0.1 + 0.01 * h) for f in formats for h in range(4) for p in PLACES]
    return pd.DataFrame(rows, columns=["head", "group", "place", "format", "attention_share"])


def edges(count=4):
    rows = [(h, 5, h, 0.1 * (h + 1)) for h in range(count)]
    return pd.DataFrame(rows, columns=["head", "query", "key", "attribution_logits"])


def margins(after=(1.0, -1.0)):
    return pd.DataFrame({"before": [-1.0] * len(after), "after": list(after)})


SPREAD = pd.DataFrame({"head": range(4), "std_share": [0.1, 0.2, 0.1, 0.3]})
HEAT = pd.DataFrame(np.linspace(0, 1, 12).reshape(4, 3), index=range(4), columns=["Original", "Suffix", "Spaced"])
SUCCESS = pd.DataFrame(
    [(p, c, c / 4, 0.0, 1.0) for p in ("even", "odd", "any") for c in (1, 2, 4)],
    columns=["population", "count", "share_right", "low", "high"],
)
INFORMATION = pd.DataFrame({"count": [1, 2, 4], "bits": [2.0, 4.0, 8.0], "low": [1, 3, 7], "high": [3, 5, 9]})
REPLACED = pd.DataFrame(
    [(pair, "bigger first", x, 2 * x - 1, 10.0 + x) for pair in ("9.8 > 9.11", "3.4 > 3.25") for x in (0.0, 0.5, 1.0)],
    columns=["pair", "order", "amount", "margin_logits", "output_norm"],
)
ROWS = [("a very long name of a control that has to be wrapped somewhere", Estimate(0.2, 0.1, 0.3, 12)),
        ("short", Estimate(1.0, 0.8, 1.0, 12))]  # fmt: skip

FIGURES = {
    "manipulation": lambda: share_manipulation(
        curve("target"), curve("target"), threshold=0.4, n_breaking=12, n_repairing=12
    ),
    "injection": lambda: format_injection(
        injection(), share_threshold=0.4, drop_band=(0.55, 0.65), change=(0.5, 0.4, 0.6)
    ),
    "routes": lambda: last_token_routes.routes(routes(), threshold=0.1, n=12),
    "edges": lambda: edge_map(list("abcdef"), edges(), [False, True, True, False, False, False], title="Q&A"),
    "positions": lambda: position_sensitivity(SPREAD, HEAT, even_heads=[0, 2], odd_heads=[1, 3], n=12),
    "similarity": lambda: head_similarity(np.eye(4), [0, 0, 1, 1], even_heads=[0, 2], odd_heads=[1, 3], n=12),
    "margins": lambda: paired_margins({"one": margins(), "two": margins()}, n=12, title="Margins"),
    "replacement": lambda: replacement_curve(
        REPLACED, band=(0.55, 0.65), measured=(0.5, 0.4, 0.6), uninformed=REPLACED, n=12
    ),
    "subsets": lambda: head_subsets(SUCCESS, INFORMATION, needed=2, high=0.9, low=0.1, n=12),
    "mask": lambda: mask_strength(curve("strength"), n=12),
    "shares": lambda: shares(ROWS, threshold=0.5, threshold_label="most", n=12, title="Controls"),
}
EMPTY = {
    "manipulation": lambda: share_manipulation(
        curve("target", ()), curve("target", ()), threshold=0.4, n_breaking=0, n_repairing=0
    ),
    "injection": lambda: format_injection(injection(), share_threshold=0.4, drop_band=(0.55, 0.65), change=None),
    "edges": lambda: edge_map(list("abc"), edges(0), [False] * 3, title="Q&A"),
    "margins": lambda: paired_margins({"one": margins(())}, n=0, title="Margins"),
    "mask": lambda: mask_strength(curve("strength", ()), n=0),
}


def svg(figure):
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


@pytest.fixture(autouse=True)
def as_in_a_report():
    with style.applied():
        yield


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_titled_labelled_and_legible(name):
    """The figure has a title, every panel has a label or ticks, and no letter is below 9 points."""
    figure = FIGURES[name]()
    svg(figure)

    assert figure.get_suptitle()
    for ax in figure.axes:
        assert ax.get_xlabel() or ax.get_ylabel() or ax.get_title() or any(t.get_text() for t in ax.get_xticklabels())
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(sizes) >= 9


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "edges"])
def test_a_figure_says_how_many_pairs(name):
    """The number of pairs, or of phrasings, is in its title or in the title of a panel."""
    figure = FIGURES[name]()

    titles = [figure.get_suptitle(), *(ax.get_title() for ax in figure.axes)]
    assert any(f"n = 12 {unit}" in title for title in titles for unit in ("pairs", "phrasings"))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_each_time(name):
    """Two drawings of a figure are equal to the byte."""
    assert svg(FIGURES[name]()) == svg(FIGURES[name]())


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_panel_says_why(name):
    """A panel without data shows a text with the reason, and drawing it raises nothing."""
    figure = EMPTY[name]()

    svg(figure)
    texts = [text.get_text() for text in figure.findobj(Text)]
    words = ("too few", "no drop found", "depends on no edge", "no prompts", "no wrong answers")
    assert any(word in text for text in texts for word in words)


@pytest.mark.parametrize(
    ("name", "value", "direction"),
    [
        ("manipulation", 0.4, "x"),
        ("injection", 0.4, "y"),
        ("routes", 0.1, "y"),
        ("subsets", 2, "x"),
        ("shares", 0.5, "x"),
    ],
)
def test_thresholds_are_drawn_where_they_are(name, value, direction):
    """Each threshold is a straight line across a panel."""
    lines = [line for ax in FIGURES[name]().axes for line in ax.get_lines()]
    data = [np.asarray(line.get_xdata() if direction == "x" else line.get_ydata(), float) for line in lines]

    assert any(len(values) == 2 and (values == value).all() for values in data)


def test_answers_can_be_distinguished_without_colour():
    """Right, mixed and wrong answers have different markers, and each format has one point."""
    points = [line for line in FIGURES["injection"]().axes[0].get_lines() if line.get_linestyle() == "None"]

    assert len({line.get_marker() for line in points}) == 3
    assert sum(len(line.get_xdata()) for line in points) == 3


def test_the_panel_counts_what_turns():
    """One of two wrong answers turns right."""
    figure = paired_margins({"edit": margins((1.0, -0.5))}, n=12, title="Margins")

    assert "1 of 2 turn right, 0 wrong" in figure.axes[0].get_title()


def test_the_bandwidth_figure_shows_thresholds_and_intervals():
    """The figure has two panels, a threshold line, the uniform baseline and n."""
    shares = pd.DataFrame(
        [(g, f, c, 0.3) for g in ("even", "odd") for f in ("Simple", "Q&A") for c in ("numerical", "format", "other")],
        columns=["group", "format", "category", "share"],
    )
    bounds = pd.DataFrame([(g, f, 0.2, 0.4) for g in ("even", "odd") for f in ("Simple", "Q&A")],
                          columns=["group", "format", "low", "high"])  # fmt: skip

    drawn = bandwidth_distribution(shares, bounds, {"Simple": 0.5, "Q&A": 0.2}, threshold=0.4, n=7)

    labels = {text.get_text() for text in drawn.legends[0].get_texts()}
    assert [ax.get_title() for ax in drawn.axes] == ["Even heads", "Odd heads"]
    assert {"40 % threshold", "95 % interval", "numbers, uniform attention"} <= labels
    assert "n = 7 pairs" in drawn.get_suptitle()
    assert drawn.axes[0].get_ylabel() == "share of attention mass, all rows"
