"""Tests of claim B1: does the bug depend on the format, whichever number stands first?"""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from by_hand import SETTINGS, finding_of
from matplotlib.text import Text
from screened_answers import BUG, FIRST, ONE_ORDER, PAIRS, REVERSE, RIGHT, SECOND, random_table, table

from claims.competition.bug_of_format import test_bug_of_format as claim
from claims.competition.bug_of_format.evidence import BugOfFormat
from claims.competition.bug_of_format.figure import accuracy_by_order
from claims.competition.prompts import ORDERS
from referee.judging.evidence import NotApplicable
from referee.judging.verdict import Verdict


def judged(found):
    return finding_of(claim.test_the_bug_is_one_of_format, bug_of_format=BugOfFormat(found, SETTINGS))


def test_a_bug_in_both_orders_is_one_of_format():
    """Both parts are one, with the exact interval of sixteen of sixteen."""
    finding = judged(table(dict.fromkeys(ORDERS, [BUG] * 16 + [RIGHT] * 4)))

    assert finding.verdict is Verdict.SUPPORTED
    assert set(finding.parts) == set(ORDERS)
    assert finding.estimate.n == 16
    assert finding.estimate.low == pytest.approx(0.025 ** (1 / 16))
    assert finding.evidence.counterexample is None
    assert [world.p for world in finding.evidence.against] == pytest.approx([0.5**16] * 2)


def test_a_bug_that_turns_with_the_order_is_none_of_format():
    """In one order Simple is better, and in the other order Q&A is."""
    finding = judged(table({FIRST: [BUG] * 16, SECOND: [REVERSE] * 16}))

    assert finding.verdict is Verdict.REFUTED
    assert finding.decisive == SECOND
    expected = f"{PAIRS[0]}, bigger second: right in Q&A (margin 1.00) and wrong in Simple (margin -1.00)"
    assert str(finding.evidence.counterexample) == expected


def test_an_order_without_differing_answers_leaves_the_claim_open():
    """The claim is about both orders, so a bug in one order of the numbers does not support it."""
    finding = judged(ONE_ORDER)

    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.parts[SECOND].n == 0
    assert finding.parts[FIRST].value == 1.0
    assert any("With the bigger second, no prompt" in note for note in finding.evidence.notes)
    assert any(note.endswith("orders with a bug: bigger first.") for note in finding.evidence.notes)


def test_without_any_differing_answer_the_claim_does_not_apply():
    """A model that is right everywhere has no bug of any kind."""
    with pytest.raises(NotApplicable, match="answered alike"):
        BugOfFormat(table(dict.fromkeys(ORDERS, [RIGHT] * 16)), SETTINGS).right_in_simple()


def test_random_answers_seldom_support_or_refute():
    """The claim is false for random answers, but only at its edge: at most 5 % of tables support or refute it."""
    rng = np.random.default_rng(2)

    verdicts = [judged(random_table(rng, 40)).verdict for _ in range(100)]

    assert np.mean([verdict is Verdict.SUPPORTED for verdict in verdicts]) <= 0.05
    assert np.mean([verdict is Verdict.REFUTED for verdict in verdicts]) <= 0.05


def test_answers_by_the_most_likely_token_are_a_variant():
    """The variant uses the column `top_answer`. It is left out if no answer differs between the formats."""
    by_token = table(dict.fromkeys(ORDERS, [BUG] * 16)).assign(correct=True)
    by_margin = table(dict.fromkeys(ORDERS, [BUG] * 16)).assign(top_answer="neither")

    assert BugOfFormat(by_token, SETTINGS).variants()["greedy token"][FIRST].value == 1.0
    assert BugOfFormat(by_margin, SETTINGS).variants() == {}


def test_the_figure_shows_both_formats_and_n():
    """It has an error bar for each format, a legend, legible letters and the number of pairs. It accepts no rows."""
    drawing = BugOfFormat(ONE_ORDER, SETTINGS).drawing()

    figure = drawing.draw()
    figure.savefig(io.BytesIO(), format="svg")

    assert "n = 16 pairs" in figure.get_suptitle()
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert labels == {"Simple, 95 % interval", "Q&A, 95 % interval", "guessing"}
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["bigger number first", "bigger number second"]
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()) >= 9
    assert drawing.alt.startswith("Share of right answers by format and order of the numbers: 100% right in Simple")
    accuracy_by_order(pd.DataFrame(columns=["format", "order", "share_right", "low", "high"]), n=0)
