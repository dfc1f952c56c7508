"""Which right answers an edit can break."""

from __future__ import annotations

import pandas as pd

from claims.competition.behaviour import right_prompts
from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, QA, SIMPLE, Prompt


def answers(*wrong: Prompt) -> pd.DataFrame:
    """All prompts of the document's pairs in Simple and Q&A, right except the given ones."""
    prompts = [Prompt(pair, order, format) for pair in DOCUMENT_PAIRS for order in ORDERS for format in (SIMPLE, QA)]
    rows = [(str(p.pair), p.order, p.format.name, p not in wrong) for p in prompts]
    return pd.DataFrame(rows, columns=["pair", "order", "format", "correct"])


def test_formats_take_turns_from_pair_to_pair():
    """Each pair gives one right prompt of each order, and the next pair gives them in the other format."""
    found = right_prompts(answers(), DOCUMENT_PAIRS, (SIMPLE, QA))

    expected = [Prompt(pair, order, (SIMPLE, QA)[i % 2]) for i, pair in enumerate(DOCUMENT_PAIRS) for order in ORDERS]
    assert expected == found


def test_another_format_takes_the_place_of_a_wrong_answer():
    """If the format whose turn it is has a wrong answer, the prompt of the other format is returned."""
    pair = DOCUMENT_PAIRS[0]
    found = right_prompts(answers(Prompt(pair, ORDERS[1], SIMPLE)), [pair], (SIMPLE, QA))

    assert [Prompt(pair, ORDERS[0], SIMPLE), Prompt(pair, ORDERS[1], QA)] == found


def test_an_order_without_a_right_answer_gives_no_prompt():
    """An order that is wrong in every format is left out."""
    pair = DOCUMENT_PAIRS[0]
    wrong = [Prompt(pair, ORDERS[0], format) for format in (SIMPLE, QA)]

    assert [Prompt(pair, ORDERS[1], SIMPLE)] == right_prompts(answers(*wrong), [pair], (SIMPLE, QA))
