"""Tests of the search for the bug, and of the rule that says whether there is one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from screened_answers import BUG, FIRST, ONE_ORDER, PAIRS, REVERSE, RIGHT, SECOND, WRONG, random_table, table

from claims.competition import screening
from claims.competition.behaviour import describe, unedited
from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, QA, QUESTIONS, SIMPLE, Case, Pair, ask, pairs
from conftest import built
from referee.judging.evidence import NotApplicable
from referee.measuring.session import Session


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


def test_the_report_says_in_which_orders_the_model_shows_the_bug():
    """The sentence has the shares and the p-value of each order, without the pairs of the seed document."""
    found = table({FIRST: [BUG] * 6 + [RIGHT] * 14, SECOND: [BUG] * 5 + [RIGHT] * 15})
    of_document = found.assign(pair=str(DOCUMENT_PAIRS[0]), correct=False)

    assert screening.phenomenon(pd.concat([of_document, found])) == (
        "Right answers of this model: with the bigger number first, 100% in Simple and 70% in Q&A, which shows the bug"
        " (p = 0.016); with the bigger number second, 100% in Simple and 75% in Q&A, which does not show the bug"
        " (p = 0.031). n = 20 pairs, without those of the seed document."
    )
    assert screening.phenomenon(of_document).startswith(
        "Right answers of this model: not known, because only the pairs"
    )


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
