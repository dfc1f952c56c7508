import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from claims.competition.prompts import QA, SIMPLE, Pair, Prompt, ask, pairs
from referee.measuring import scores
from referee.models import subjects
from referee.prompts.tokens import tokenize


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
    """The number named first wins; a longer number that contains it does not name it."""
    assert scores.first_named(text, right="9.8", wrong="9.11") == answer


def test_a_number_that_begins_another_is_not_named_by_it():
    """9.11 does not answer 9.1."""
    assert scores.first_named("9.11", right="9.1", wrong="9.11") == "wrong"


@given(st.text(alphabet="9.18 ,\n", max_size=12))
def test_first_named_mirrors(text):
    """Exchanging what is right exchanges the answer."""
    mirrored = {"right": "wrong", "wrong": "right", "neither": "neither"}

    assert scores.first_named(text, "9.8", "9.11") == mirrored[scores.first_named(text, "9.11", "9.8")]


def test_margin_is_right_minus_wrong(grouped):
    """The sign says right or wrong, whichever number comes first."""
    prompts = [tokenize(Prompt(Pair("9.8", "9.11"), order, QA), grouped) for order in ("bigger first", "bigger second")]
    logits = torch.zeros(2, len(grouped))
    logits[:, prompts[0].right_id] = 3.0
    logits[:, prompts[0].wrong_id] = 1.0

    assert scores.margins(logits, prompts).tolist() == [2.0, 2.0]
    assert scores.top_answers(logits.argmax(-1), prompts) == ["right", "right"]


def test_top_answer_can_be_neither(grouped):
    """A model that would say something else has not answered."""
    tokens = tokenize(Prompt(Pair("9.8", "9.11"), "bigger first", QA), grouped)
    logits = torch.zeros(1, len(grouped))
    logits[0, 0] = 1.0

    assert scores.top_answers(logits.argmax(-1), [tokens]) == ["neither"]


def test_greedy_answers_do_not_depend_on_company():
    """Prompts of different lengths in one call are answered as if alone, right in Simple and wrong in Q&A."""
    subject = subjects.load("planted")
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in ask(pairs(3), [SIMPLE, QA])]

    together = scores.greedy_answers(subject, prompts)

    assert together == ["right", "wrong"] * 6
    assert together == [scores.greedy_answers(subject, [tokens])[0] for tokens in prompts]


def test_greedy_answers_ignore_the_models_generation_settings():
    """A penalty on repetition would forbid the digits of the question."""
    subject = subjects.load("planted")
    subject.model.generation_config.repetition_penalty = 100.0
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in ask(pairs(3), [SIMPLE])]

    assert scores.greedy_answers(subject, prompts) == ["right"] * 6
