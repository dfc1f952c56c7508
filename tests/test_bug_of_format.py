"""Tests of the search for the bug, of the rule that says whether there is one, and of claim B1."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from by_hand import SETTINGS, finding_of
from matplotlib.text import Text

from claims.competition import screening
from claims.competition.behaviour import describe, unedited
from claims.competition.bug_of_format import test_bug_of_format as claim
from claims.competition.bug_of_format.evidence import BugOfFormat
from claims.competition.bug_of_format.figure import accuracy_by_order
from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, QA, QUESTIONS, SIMPLE, Case, Pair, ask, pairs
from conftest import built
from referee.judging.evidence import NotApplicable
from referee.judging.verdict import Verdict
from referee.measuring.session import Session

FIRST, SECOND = ORDERS
PAIRS = pairs(203)[len(DOCUMENT_PAIRS) :]
BUG, REVERSE, RIGHT, WRONG = (True, False), (False, True), (True, True), (False, False)
"""The answers in Simple and in Q&A. True is right."""


def table(answers):
    """Returns a table of answers. `answers` has a list of (right in Simple, right in Q&A) for each order, by pair."""
    rows = [
        (str(pair), order, format.name, 1.0 if right else -1.0, right, "right" if right else "wrong")
        for order, of_order in answers.items()
        for pair, both in zip(PAIRS, of_order, strict=False)
        for format, right in zip((SIMPLE, QA), both, strict=True)
    ]
    return pd.DataFrame(rows, columns=["pair", "order", "format", "margin_logits", "correct", "top_answer"])


ONE_ORDER = table({FIRST: [BUG] * 16, SECOND: [RIGHT] * 16})


def judged(found):
    return finding_of(claim.test_the_bug_is_one_of_format, bug_of_format=BugOfFormat(found, SETTINGS))


def random_table(rng, count):
    """Returns the answers of a model that is right or wrong by chance, in whatever format."""
    return table({order: list(map(tuple, rng.random((count, 2)) < 0.5)) for order in ORDERS})


def bugged_pairs(found):
    return len({case.pair for case in screening.bugged(found)})


def test_one_order_of_a_pair_can_have_the_bug_alone():
    """The case is in the bug set, and the same pair in the other order is not."""
    assert screening.bugged(table({FIRST: [BUG], SECOND: [RIGHT]})) == [Case(PAIRS[0], FIRST)]


def test_a_bug_in_one_order_is_judged_in_that_order():
    """Sixteen of sixteen pairs have the bug in one order, and none in the other. The bug set has the sixteen."""
    assert screening.orders_with_bug(ONE_ORDER) == (FIRST,)
    assert screening.require_bug(ONE_ORDER) == [Case(pair, FIRST) for pair in PAIRS[:16]]


def test_accidental_bugs_of_the_other_order_are_left_out():
    """The other order has as many prompts that are right in Simple alone as in Q&A alone."""
    found = table({FIRST: [BUG] * 12 + [RIGHT] * 8, SECOND: [BUG] * 10 + [REVERSE] * 10})

    assert {case.order for case in screening.require_bug(found)} == {FIRST}
    assert len(screening.require_bug(found)) == 12


@pytest.mark.parametrize(("worse", "orders"), [(0, (FIRST,)), (3, (FIRST,)), (4, ())])
def test_an_order_counts_beyond_chance_for_two_looks(worse, orders):
    """Twelve against three have p = 0.018, and twelve against four have p = 0.038, which two looks do not allow."""
    found = table({FIRST: [BUG] * 12 + [REVERSE] * worse, SECOND: [WRONG] * (12 + worse)})

    assert screening.orders_with_bug(found) == orders


def test_the_pairs_of_the_seed_document_are_no_sample():
    """They were chosen because they have the bug, so they do not count in the test for it."""
    chosen = [str(pair) for pair in DOCUMENT_PAIRS]
    found = table({FIRST: [BUG] * 5, SECOND: [RIGHT] * 5})
    more = found[found["pair"].isin([str(pair) for pair in PAIRS[:3]])].replace(
        dict(zip(map(str, PAIRS[:3]), chosen, strict=True))
    )

    assert screening.contrasts(pd.concat([found, more]))[FIRST].better == 5


def test_without_a_bug_the_reason_names_accuracies_and_p():
    """The text has both accuracies and the p-value of each order, in one line."""
    found = table({FIRST: [BUG] * 10 + [REVERSE] * 10, SECOND: [RIGHT] * 15 + [BUG] * 5})

    with pytest.raises(NotApplicable) as refused:
        screening.require_bug(found)

    assert str(refused.value) == (
        "only 0 of 20 pairs have the bug in an order of the numbers in which Simple beats Q&A beyond chance (10"
        " needed); right in Simple and in Q&A: 50% and 50% with bigger first (p = 0.59);"
        " 100% and 75% with bigger second (p = 0.031)"
    )


def test_a_real_bug_in_too_few_pairs_is_refused():
    """Nine against none are beyond chance, but they are fewer pairs than a claim needs."""
    found = table({FIRST: [BUG] * 9 + [RIGHT] * 11, SECOND: [RIGHT] * 20})

    assert len(screening.bug_cases(found)) == 9
    with pytest.raises(NotApplicable, match="only 9 of 20 pairs"):
        screening.require_bug(found)


def test_accidental_bugs_give_no_bug_set():
    """In 200 tables of random answers there are ten or more accidental bugs. In 95 % of tables, no order counts."""
    rng = np.random.default_rng(1)
    tables = [found for found in (random_table(rng, 36) for _ in range(200)) if bugged_pairs(found) >= 10]

    assert len(tables) > 190
    assert np.mean([not screening.bug_cases(found) for found in tables]) >= 0.95


@pytest.mark.slow
def test_a_search_that_stops_at_enough_bugs_keeps_the_level(monkeypatch):
    """Random answers have 40 bugged pairs after about 100 pairs. No order counts in 95 % of searches."""
    rng = np.random.default_rng(0)
    described: dict[Pair, pd.DataFrame] = {}

    def answer(session, prompts, progress):
        first = prompts[0].pair
        if first not in described:
            described[first] = describe(prompts)
        return described[first].assign(correct=rng.random(len(prompts)) < 0.5)

    monkeypatch.setattr(screening, "unedited", answer)

    searches = [screening.screen(None, PAIRS, bugs=40) for _ in range(400)]

    assert all(bugged_pairs(found) >= 40 and len(found) < 200 * 2 * 2 for found in searches)
    assert np.mean([not screening.orders_with_bug(found) for found in searches]) >= 0.95


def test_screening_of_a_model_with_the_bug_stops_early():
    """Every pair of the planted model has the bug, so 30 of them are found in two batches of 20."""
    session = Session(built())

    found = screening.screen(session, PAIRS[:100], bugs=30)

    assert list(dict.fromkeys(found["pair"])) == [str(pair) for pair in PAIRS[:40]]
    assert len(found) == 40 * 2 * 2
    assert screening.require_bug(found) == [Case(pair, order) for pair in PAIRS[:40] for order in ORDERS]


def test_screening_asks_all_pairs_if_there_is_no_bug():
    """A model that is always right has no bug. The search ends with the last pair, and the last batch may be small."""
    session = Session(built("planted:bug=none"))

    found = screening.screen(session, PAIRS[:25], bugs=1)

    assert found["pair"].nunique() == 25
    assert screening.bug_cases(found) == []


def test_a_search_among_no_pairs_is_refused():
    with pytest.raises(ValueError, match="at least one pair"):
        screening.screen(None, [], bugs=1)


def test_the_report_shows_controls_and_phrasings():
    """The planted model is wrong in Q&A by the version order, which is right for control pairs."""
    session = Session(built())
    controls = unedited(session, ask(pairs(4, kind="control"), [SIMPLE, QA]))
    phrasings = unedited(session, ask(DOCUMENT_PAIRS, [SIMPLE, *QUESTIONS]))

    found = screening.context(ONE_ORDER, controls, phrasings)

    assert all(len(row) == len(found.columns) for row in found.rows)
    rows = {(row[0], row[1]): row[2:] for row in found.rows}
    for name in (SIMPLE.name, QA.name):
        for order in ORDERS:
            assert rows[f"Control pairs right in {name}", order] == (1.0, 4, "")
    share, n, published = rows["Phrasings of Q&A with the bug in at least one of the seed document's pairs", "either"]
    assert share > 0
    assert (n, published) == (len(QUESTIONS), "1 of 9 phrasings")
    screened = {order: rows["Screened pairs with the bug", order] for order in (*ORDERS, "either")}
    published = "0 of 70 other pairs"
    assert screened == {FIRST: (1.0, 16, published), SECOND: (0.0, 16, published), "either": (1.0, 16, published)}


def test_phrasings_count_by_pairs():
    """One phrasing has the bug in two of three pairs, another in one of them, and the others in none."""
    bugs = {QUESTIONS[0].name: 2, QUESTIONS[5].name: 1}
    rows = [
        (str(pair), order, format.name, format is SIMPLE or not (i < bugs.get(format.name, 0) and order == SECOND))
        for i, pair in enumerate(DOCUMENT_PAIRS)
        for order in ORDERS
        for format in (SIMPLE, *QUESTIONS)
    ]
    phrasings = pd.DataFrame(rows, columns=["pair", "order", "format", "correct"])

    found = screening.context(ONE_ORDER, ONE_ORDER, phrasings)

    shares = [row[2] for row in found.rows if row[0].startswith("Phrasings")]
    assert shares == [2 / len(QUESTIONS), 1 / len(QUESTIONS)]


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
