"""The figures, notes and tables of the theory of induction heads, and which words select its claims."""

from __future__ import annotations

import io

import numpy as np
import pytest
from by_hand import SETTINGS
from matplotlib.text import Text
from runs import process

from claims.induction.copying import worlds as copies
from claims.induction.copying.figure import lost
from claims.induction.head_scores.figure import first_token_shares, head_map
from claims.induction.previous_tokens import worlds as falls
from claims.induction.previous_tokens.figure import falls as drawn_falls
from claims.induction.theory import THEORY
from claims.simulations import INSIDE, OUTSIDE, simulations_of
from referee.judging.claims import Theory

SIMULATIONS = simulations_of("induction")


def svg(figure):
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


@pytest.mark.parametrize("claim_id", SIMULATIONS)
@pytest.mark.parametrize("place", [OUTSIDE, INSIDE])
def test_a_claim_has_a_figure_with_a_text(claim_id, place):
    """The figure has a title with the number of sequences, labels, and no letter below 9 points."""
    found = SIMULATIONS[claim_id].finding(np.random.default_rng(0), SETTINGS, place, THEORY)
    drawing = found.evidence.drawing

    figure = drawing.draw()
    svg(figure)

    assert f"(n = {found.estimate.n} sequences)" in figure.get_suptitle()
    for ax in figure.axes:
        assert ax.get_xlabel() or ax.get_ylabel()
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()) >= 9
    assert drawing.alt.endswith(".")
    assert "nan" not in drawing.alt
    assert all("nan" not in note and note.endswith(".") for note in found.evidence.notes)
    assert len(found.evidence.data) > 0


def test_figures_mark_their_thresholds_and_top_heads():
    """The map has a ring for each top head, and the other figures have a line at the threshold."""
    scores = np.linspace(0, 1, 12).reshape(4, 3)

    mapped = head_map(scores, ((2, 1), (3, 0)), threshold=0.4, n=36)
    assert mapped.axes[0].collections[0].get_offsets().tolist() == [[2, 1], [3, 0]]
    assert mapped.axes[0].images[0].get_array().shape == (3, 4)
    shares = first_token_shares(scores, threshold=0.3, uniform=0.09, n=36)
    assert {0.3, 0.09} <= {line.get_ydata()[0] for line in shares.axes[0].lines if len(line.get_ydata()) == 2}
    losses = lost({"one": [0.1, 0.9], "two": [0.2, 0.3]}, [0.0, 0.1], threshold=1 / 3, n=2)
    assert 1 / 3 in [line.get_ydata()[0] for line in losses.axes[0].lines]


def test_no_other_sets_leave_their_place_empty():
    """The evidence of a layer with one head can be drawn."""
    assert svg(copies.evidence(np.random.default_rng(0), 0.9, [], 12).drawing(1 / 3).draw())
    assert svg(falls.evidence(np.random.default_rng(0), 0.9, [], 12).drawing().draw())
    assert svg(lost({"one": [0.5]}, [], threshold=1 / 3, n=1))
    assert svg(drawn_falls({"one": [0.5]}, [], n=1))


SELECTED = {
    "sink": ["S1", "S2"],
    "induction": ["I1", "I2", "S1", "I3", "I4", "S2"],
    "I3": ["I3"],
    "bandwidth": [],
    "repair": [],
    "control": [],
    "headline": [],
}


@pytest.mark.parametrize("words", SELECTED)
def test_words_select_claims(words):
    """`-k` finds claims by id, by the words of the theory, and by its folder."""
    done = process("claims/induction", "--collect-only", "-q", "-k", words)

    found = [line.split()[0] for line in done.output.splitlines() if line[:2] in {claim.id for claim in THEORY.claims}]
    assert sorted(found) == sorted(SELECTED[words])


def test_the_theory_is_known_and_each_statement_is_one_sentence():
    """It has no headlines. Each claim names its source, and the statement fits into a line."""
    assert isinstance(THEORY, Theory)
    assert (THEORY.known, THEORY.unit, THEORY.fewest_units) == (True, "sequences", 10)
    for claim in THEORY.claims:
        assert claim.headline is None
        assert claim.statement.count(". ") == 0
        assert claim.statement.endswith(".")
        assert claim.source
        assert claim.criterion.low == {"I1": 0.4, "I3": 1 / 3, "S1": 0.5}.get(claim.id, 0.0)
