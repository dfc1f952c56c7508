"""Tests of how the theory reads the two answers, from a text and from the most likely next token."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from claims.competition.behaviour import with_answers
from claims.competition.prompts import ORDERS, QA, Pair, Prompt
from claims.competition.reading import first_named
from referee.measuring.requests import Trial
from referee.measuring.scores import margins
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("9.8", "right"),
        (" 9.11 is bigger than 9.8", "wrong"),
        ("9.8 is bigger than 9.11", "right"),
        ("The bigger number is 9.8.", "right"),
        ("It is 9.11.\n", "wrong"),
        ("**9.8**", "right"),
        ("$9.8$, not 9.11", "right"),
        ("9.1", "neither"),
        ("9.81", "neither"),
        ("19.8", "neither"),
        ("9.8.1", "neither"),
        ("1.9.8", "neither"),
        ("9,8", "neither"),
        ("9.8,5", "neither"),
        ("", "neither"),
        ("To solve this, 9 and 11 …", "neither"),
        ("9.110 or 9.8?", "right"),
    ],
)
def test_first_named(text, answer):
    """The number that comes first is the answer. A longer number that contains it does not count."""
    assert first_named(text, right="9.8", wrong="9.11") == answer
    assert Prompt(PAIR, "bigger first", QA).read(text) == answer


def test_a_number_that_begins_another_is_not_named_by_it():
    """The text 9.11 does not give the answer 9.1."""
    assert first_named("9.11", right="9.1", wrong="9.11") == "wrong"


@given(st.text(alphabet="9.18 ,\n", max_size=12))
def test_first_named_mirrors(text):
    """If the right and the wrong number are exchanged, then the answer is exchanged, too."""
    mirrored = {"right": "wrong", "wrong": "right", "neither": "neither"}

    assert first_named(text, "9.8", "9.11") == mirrored[first_named(text, "9.11", "9.8")]


class SessionByHand:
    """A session whose scores come from logits that a test makes by hand, [trial, vocabulary]."""

    def __init__(self, logits):
        self._logits = logits

    def scores(self, trials, *scores, progress=None):
        found = {
            "margin_logits": margins(self._logits, [trial.tokens for trial in trials]).tolist(),
            "top_token": self._logits.argmax(-1).tolist(),
        }
        return pd.DataFrame({score.column: found[score.column] for score in scores})


def answered(logits, prompts):
    table = pd.DataFrame({"prompt": range(10, 10 + len(prompts))}, index=range(5, 5 + len(prompts)))
    return with_answers(table, SessionByHand(logits), [Trial(tokens) for tokens in prompts], right="correct")


def test_the_top_answer_is_that_of_the_most_likely_token(grouped):
    """It does not depend on which number comes first. The other columns and the index stay."""
    prompts = [tokenize(Prompt(PAIR, order, QA), grouped) for order in ORDERS]
    logits = torch.zeros(2, len(grouped))
    logits[:, prompts[0].right_id] = 3.0
    logits[:, prompts[0].wrong_id] = 1.0

    right, wrong = answered(logits, prompts), answered(-logits + 2 * logits.clamp(max=1.0), prompts)

    assert right.to_dict("list") == {
        "prompt": [10, 11],
        "margin_logits": [2.0, 2.0],
        "top_answer": ["right", "right"],
        "correct": [True, True],
    }
    assert wrong["margin_logits"].tolist() == [-2.0, -2.0]
    assert wrong["top_answer"].tolist() == ["wrong", "wrong"]
    assert wrong["correct"].tolist() == [False, False]
    assert list(right.index) == [5, 6]


def test_top_answer_can_be_neither(grouped):
    """A model whose most likely token continues neither number has given neither answer."""
    tokens = tokenize(Prompt(PAIR, "bigger first", QA), grouped)
    logits = torch.zeros(1, len(grouped))
    logits[0, 0] = 1.0

    assert answered(logits, [tokens])["top_answer"].tolist() == ["neither"]


def test_the_top_answer_of_a_session_is_that_of_the_models_logits(shaped):
    """The margin and the answer of each prompt are those of the logits of a plain forward pass."""
    prompts = [tokenize(Prompt(PAIR, order, QA), shaped.tokenizer) for order in ORDERS]
    with torch.no_grad():
        logits = shaped.model(torch.tensor([tokens.ids for tokens in prompts])).logits[:, -1]

    found = with_answers(pd.DataFrame(index=range(2)), Session(shaped), [Trial(tokens) for tokens in prompts])

    expected = answered(logits, prompts)
    assert found["top_answer"].tolist() == expected["top_answer"].tolist()
    assert found["right"].tolist() == expected["correct"].tolist()
