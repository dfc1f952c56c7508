from __future__ import annotations

from itertools import pairwise

import pandas as pd
import pytest

from claims.competition.format_injection import measure as injection
from claims.competition.prompts import INJECTION, Pair, Prompt, injected
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIRS = [Pair("9.8", "9.11"), Pair("3.4", "3.25")]


@pytest.mark.parametrize("tokenizer", ["grouped", "single"])
def test_formats_span_the_claimed_range(request, tokenizer):
    """The shares of format tokens go from 0 to nearly 85 %, in steps of one or two tokens."""
    tokenizer = request.getfixturevalue(tokenizer)
    words = injection.graded_formats(tokenizer)

    tokens = [tokenize(Prompt(PAIRS[0], "bigger first", injected(count)), tokenizer) for count in words]
    shares = [injection.format_share(asked) for asked in tokens]
    assert shares[0] == 0
    assert 0.8 < shares[-1] <= 0.85
    assert all(0.049 < later - earlier < 0.13 for earlier, later in pairwise(shares))


def test_injected_words_stand_behind_the_numbers():
    """The rows of the injected words can therefore attend to the numbers."""
    prompt = Prompt(PAIRS[0], "bigger first", injected(5))

    assert prompt.text == "9.8 or 9.11 Which number is bigger? Please"


def test_injection_measures_every_prompt_and_its_dilution(llama):
    """The table has both orders and all formats. A prompt without format tokens equals its dilution."""
    table = injection.progressive_injection(Session(llama), PAIRS)

    formats = set(table["format"])
    assert {format.name for format in INJECTION} <= formats
    assert len(table) == len(PAIRS) * 2 * len(formats) * len(injection.MEASURED)
    bare = table[table["format"] == "0 words"]
    assert bare["numerical_share"].to_numpy() == pytest.approx(bare["diluted_share"].to_numpy(), abs=1e-6)
    assert table["numerical_share"].between(0, 3).all()


def rows(shares, diluted=None, correct=None):
    n = len(shares)
    return pd.DataFrame(
        {
            "pair": "9.8 > 9.11", "order": "bigger first", "format": [f"{i} words" for i in range(n)],
            "format_tokens": range(n), "format_share": [i / n for i in range(n)], "measure": "all rows",
            "numerical_share": shares, "diluted_share": diluted or shares, "correct": correct or [True] * n,
            "top_answer": "wrong",
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shares", "expected"), [([0.9, 0.5, 0.4], -1), ([0.4, 0.5, 0.9], 1), ([0.5, 0.5, 0.5], 0), ([0.9, 0.4, 0.5], -0.5)]
)
def test_falling_is_a_rank_correlation(shares, expected):
    """A share that always falls has the correlation -1, and a constant share has the correlation 0."""
    assert injection.falls(rows(shares)).tolist() == pytest.approx([expected])


@pytest.mark.parametrize(
    ("shares", "diluted", "expected"),
    [
        ([0.9, 0.5], [0.9, 0.9], 1.0),
        ([0.9, 0.5], [0.9, 0.7], 0.5),
        ([0.9, 0.5], [0.9, 0.5], 0.0),
        ([0.5, 0.9], [0.5, 0.1], 0.0),
    ],
)
def test_what_is_due_to_format_is_beyond_dilution(shares, diluted, expected):
    """Format explains all of the fall, half of it or none of it. It explains nothing of a share that rises."""
    assert injection.due_to_format(rows(shares, diluted)).tolist() == pytest.approx([expected])


def test_accuracy_runs_along_format_share():
    """Accuracies are in the order of the format share, by the margin or by the most likely token."""
    table = rows([0.9, 0.5, 0.4], correct=[True, False, True])

    x, curves = injection.accuracy_curves(table)

    assert x.tolist() == pytest.approx([0, 1 / 3, 2 / 3])
    assert curves.tolist() == [[1, 0, 1]]
    assert injection.accuracy_curves(table, "greedy")[1].tolist() == [[0, 0, 0]]
