"""Pairs, formats and prompts of the theory."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.competition.prompts import (
    DOCUMENT_PAIRS,
    INJECTION,
    ORDERS,
    POSITIONS,
    QA,
    SIMPLE,
    Pair,
    Prompt,
    ask,
    pairs,
)


def test_formats_read_as_in_the_seed_document():
    """Each format has exactly the text of the document that proposed the experiments."""
    texts = {f.name: Prompt(Pair("9.8", "9.11"), "bigger first", f).text for f in (SIMPLE, QA, *INJECTION, *POSITIONS)}

    assert texts == {
        "Simple": "9.8 or 9.11? Answer:",
        "Q&A": "Q: Which is bigger: 9.8 or 9.11? A:",
        "Minimal": "9.8 or 9.11?",
        "Light": "Compare: 9.8 or 9.11?",
        "Medium": "Q: 9.8 or 9.11?",
        "Heavy": "Q: Which is bigger: 9.8 or 9.11? A:",
        "Full": "User Question: Which number is bigger: 9.8 or 9.11? Assistant Answer:",
        "Original": "9.8 or 9.11? Answer:",
        "Prefix_Short": "Compare: 9.8 or 9.11? Answer:",
        "Prefix_Long": "Please compare these numbers: 9.8 or 9.11? Answer:",
        "Suffix": "Answer: 9.8 or 9.11?",
        "Wrapped": "The question is 9.8 or 9.11, what is the answer?",
        "Spaced": "Number 1: 9.8    Number 2: 9.11    Which is bigger?",
    }


def test_spans_tile_the_text():
    """Every character of a prompt belongs to exactly one span."""
    for prompt in ask(DOCUMENT_PAIRS, [SIMPLE, QA, *INJECTION, *POSITIONS]):
        edges = [0, *(span.stop for span in prompt.spans)]

        assert [span.start for span in prompt.spans] == edges[:-1]
        assert edges[-1] == len(prompt.text)


@given(count=st.integers(0, 300), seed=st.integers(0, 5))
def test_conflict_pairs_disagree_as_versions(count, seed):
    """The bigger decimal of a conflict pair is the smaller version, and all pairs are different."""
    drawn = pairs(count, seed=seed)

    assert len(set(drawn)) == count
    assert drawn[:3] == list(DOCUMENT_PAIRS)[:count]
    for pair in drawn:
        assert pair.kind == "conflict"
        assert Decimal(pair.bigger) > Decimal(pair.smaller)
        assert int(pair.bigger.split(".")[1]) < int(pair.smaller.split(".")[1])


@given(count=st.integers(0, 300), seed=st.integers(0, 5))
def test_control_pairs_agree_as_versions(count, seed):
    """Decimal and version order of a control pair are the same."""
    for pair in pairs(count, kind="control", seed=seed):
        assert pair.kind == "control"
        assert int(pair.bigger.split(".")[1]) > int(pair.smaller.split(".")[1])


def test_seeds_draw_other_pairs():
    """Another seed gives other pairs after the three pairs of the seed document."""
    assert set(pairs(40, seed=0)) != set(pairs(40, seed=1))


@pytest.mark.parametrize(
    ("bigger", "smaller"),
    [("9.11", "9.8"), ("9.8", "8.11"), ("9", "8"), ("9.8", "9.8"), ("9.x", "9.1"), ("9.85", "9.8")],
)
def test_what_is_no_pair_is_refused(bigger, smaller):
    """A pair has one integer part, the bigger number first, and a shape in which neither begins the other."""
    with pytest.raises(ValueError, match="A pair"):
        Pair(bigger, smaller)


def test_asking_for_more_pairs_than_there_are_is_refused():
    """The message says how many there are."""
    with pytest.raises(ValueError, match="There are 2916 conflict pairs; got a request for 5000"):
        pairs(5000)


def test_every_pair_is_asked_in_both_orders():
    """Both orders of a pair occur equally often."""
    prompts = ask(DOCUMENT_PAIRS, [SIMPLE])

    assert [prompt.order for prompt in prompts] == [*ORDERS] * 3
    assert prompts[1].text == "9.11 or 9.8? Answer:"
    assert prompts[1].right == "9.8"
