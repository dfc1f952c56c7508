"""Tables of answers in Simple and in Q&A that the tests make by hand or at random."""

from __future__ import annotations

import pandas as pd

from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, QA, SIMPLE, pairs

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


def random_table(rng, count):
    """Returns a table of so many pairs in each order. Each answer is right with probability ½."""
    return table({order: list(map(tuple, rng.random((count, 2)) < 0.5)) for order in ORDERS})
