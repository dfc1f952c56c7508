"""Rules for every figure of every theory: what its code may use, and what a reader must be able to read."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from itertools import combinations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from runs import ROOT
from test_figures import FIGURES

from claims.competition.bandwidth_distribution.figure import bandwidth_distribution
from claims.competition.bug_of_format.figure import accuracy_by_order
from claims.induction.copying.figure import lost, predicted
from claims.induction.head_scores.figure import first_token_shares, head_map
from claims.induction.idle_attention.figure import changes
from claims.induction.previous_tokens.figure import falls
from claims.new_theory.template.number_attention.figure import times_uniform
from reports import style

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for pattern in ("*figure.py", "shared_figures.py", "style.py")
    for path in sorted((ROOT / "claims").rglob(pattern))
]
SEQUENCES = np.linspace(0, 1, 36).tolist()
SCORES = np.linspace(0, 1, 270).reshape(30, 9)


def _bandwidth():
    """Returns the figure of experiment 1.1 with the three formats of the theory."""
    formats = ("Simple", "Q&A", "Chat")
    shares = [(g, f, c, 0.3) for g in ("even", "odd") for f in formats for c in ("numerical", "format", "other")]
    bounds = [(g, f, 0.2, 0.4) for g in ("even", "odd") for f in formats]
    return bandwidth_distribution(
        pd.DataFrame(shares, columns=["group", "format", "category", "share"]),
        pd.DataFrame(bounds, columns=["group", "format", "low", "high"]),
        dict.fromkeys(formats, 0.2), threshold=0.4, n=12,
    )  # fmt: skip


def _answers():
    rows = [(f, o, 0.5, 0.4, 0.6) for f in ("Simple", "Q&A") for o in ("bigger first", "bigger second")]
    return accuracy_by_order(pd.DataFrame(rows, columns=["format", "order", "share_right", "low", "high"]), n=12)


ARMS = {"previous-token heads knocked out": SEQUENCES, "previous-token heads with output zero": SEQUENCES}
SAMPLES = FIGURES | {
    "bandwidth_distribution": _bandwidth,
    "accuracy_by_order": _answers,
    "head_map": lambda: head_map(SCORES, ((2, 1), (3, 0)), threshold=0.4, n=36),
    "first_token_shares": lambda: first_token_shares(SCORES, threshold=0.3, uniform=0.1, n=36),
    "predicted": lambda: predicted({k: [SEQUENCES] * 2 for k in ("repeated", "not repeated")},
                                   ("first half", "second half"), n=36),
    "lost": lambda: lost(ARMS, SEQUENCES, threshold=1 / 3, n=36),
    "falls": lambda: falls(ARMS, SEQUENCES, n=36),
    "changes": lambda: changes({"to the first token": SEQUENCES, "away from it": SEQUENCES}, n=36),
    "times_uniform": lambda: times_uniform({"number": SEQUENCES, "noun after it": SEQUENCES}, threshold=1.5),
}  # fmt: skip


def functions():
    """Returns every function that returns a figure, by its name with its module."""
    found = {}
    for name in MODULES:
        for function in vars(import_module(name)).values():
            own = inspect.isfunction(function) and function.__module__ == name
            if own and function.__annotations__.get("return") == "Figure":
                found[f"{name}.{function.__name__}"] = function
    return found


def test_figures_need_no_torch():
    """Every module of figures can be imported where torch, transformers and nnsight are not installed."""
    code = (
        f"import sys, importlib; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'nnsight', 'pytest']))\n"
        f"for name in {MODULES}: importlib.import_module(name)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", functions())
def test_a_figure_is_made_of_tables(name):
    """No argument of the function is a model, a session or another object of the instrument except an estimate."""
    hints = {key: str(hint) for key, hint in functions()[name].__annotations__.items() if key != "return"}

    assert not [hint for hint in hints.values() if any(word in hint for word in ("Session", "Subject", "Tensor"))]


@pytest.fixture(scope="module")
def drawn():
    """Returns each sample as a report draws it, and the code of every function that ran."""
    ran = set()
    sys.setprofile(lambda frame, event, _: ran.add(frame.f_code) if event == "call" else None)
    try:
        with style.applied():
            figures = {name: sample() for name, sample in SAMPLES.items()}
    finally:
        sys.setprofile(None)
    for figure in figures.values():
        figure.draw_without_rendering()
    return figures, ran


def test_every_figure_has_a_sample(drawn):
    """The rules below see each function that returns a figure."""
    assert [name for name, function in functions().items() if function.__code__ not in drawn[1]] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_figure_has_the_width_of_the_page(name, drawn):
    """With one width, the text of all figures has one size on the page. The figure fits on a screen."""
    width, height = drawn[0][name].get_size_inches()

    assert width == style.WIDTH
    assert height <= 8


@pytest.mark.parametrize("name", SAMPLES)
def test_text_is_inside_the_figure_and_apart(name, drawn):
    """No text is cut off, has fewer than 9 points, or overlaps another text. Slanted texts have room between them."""
    figure = drawn[0][name]
    page = figure.bbox.padded(1)
    texts = _shown(figure)
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts]
    straight = [(t.get_text(), t.get_window_extent()) for t in texts if t.get_rotation() % 90 == 0]

    assert [text for text, box in boxes if not (page.contains(box.x0, box.y0) and page.contains(box.x1, box.y1))] == []
    assert [text.get_text() for text in texts if text.get_fontsize() < 9] == []
    assert [
        (one, other)
        for (one, box), (other, other_box) in combinations(straight, 2)
        if box.padded(-1).overlaps(other_box.padded(-1))
    ] == []


def _shown(figure):
    """Returns the texts that a reader sees. Matplotlib also keeps labels of ticks outside the limits of an axis."""
    ticks = {label for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for label in axis.findobj(Text)}
    ticks -= {axis.label for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)}
    inside = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            inside |= {t.label1 for t in axis.get_major_ticks() if low - 1e-9 <= t.get_loc() <= high + 1e-9}
    texts = [text for text in figure.findobj(Text) if text not in ticks or text in inside]
    return [text for text in texts if text.get_text().strip() and text.get_visible()]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_legend_covers_no_panel(name, drawn):
    """The legend is below the panels, and names everything once."""
    figure = drawn[0][name]

    assert [ax for ax in figure.axes if ax.get_legend()] == []
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(ax.get_window_extent()) for ax in figure.axes)
        labels = [text.get_text() for text in legend.get_texts()]
        assert len(labels) == len(set(labels))


@pytest.mark.parametrize("name", SAMPLES)
def test_axes_have_names(name, drawn):
    """Each axis with numbers has a label, unless the panel beside or below it has the same axis with a label."""
    for ax in drawn[0][name].axes:
        for axis, shared in ((ax.xaxis, ax.get_shared_x_axes()), (ax.yaxis, ax.get_shared_y_axes())):
            labels = [text.get_text() for text in axis.get_ticklabels() if text.get_text()]
            if labels and all(_is_number(label) for label in labels):
                beside = [getattr(other, axis.axis_name + "axis") for other in shared.get_siblings(ax)]
                row = [getattr(other, axis.axis_name + "axis") for other in ax.figure.axes]
                assert any(other.get_label_text() for other in [axis, *beside, *row])


def _is_number(label):
    try:
        float(label.replace("−", "-"))
    except ValueError:
        return False
    return True


def test_the_style_is_applied_only_inside_its_context():
    """A notebook keeps its own settings, and a report does not take over the settings of a user."""
    with matplotlib.rc_context({"font.size": 30}):
        with style.applied():
            assert matplotlib.rcParams["font.size"] == style.RULES["font.size"]
            assert not matplotlib.rcParams["text.parse_math"]
        assert matplotlib.rcParams["font.size"] == 30
