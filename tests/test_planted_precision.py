"""The planted models keep their mechanism in float32, bfloat16 and float16."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from claims import trial
from claims.competition import behaviour
from claims.competition.chat import chat_format
from claims.competition.planted.shares import Scale
from claims.competition.prompts import ORDERS, QA, SIMPLE, Case, ask, pairs
from conftest import built
from referee.attention.edits import Replace
from referee.measuring.precision import Precision
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIRS = pairs(30, seed=5)
DTYPES = ("float32", "bfloat16", "float16")


@given(threshold=st.floats(0.6, 0.98), offset=st.floats(6e-4, 1e-2), above=st.booleans())
def test_rounding_moves_no_share_across_a_threshold(threshold, offset, above):
    """In bfloat16, the scaled share is on the same side of the threshold as the share itself."""
    scale, share = Scale.around(threshold), threshold + (offset if above else -offset)
    rounded = torch.tensor(scale.weight * share, dtype=torch.bfloat16).item()

    assert scale.threshold / scale.weight == pytest.approx(threshold, abs=5e-4)
    assert (rounded > scale.threshold) == above


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("amount", [0.58, 0.62])
def test_the_answer_turns_at_the_same_amount(dtype, amount, monkeypatch):
    """The answer turns right between 58 % and 62 % of the Simple pattern, and with threshold=0.57 before 58 %."""
    monkeypatch.setattr(Precision, "settle", lambda self, margins, measured: margins)  # keeps them in the short dtype
    case = Case(PAIRS[4], ORDERS[0])

    def right(name):
        subject = built(name, dtype)
        donor, target = (tokenize(case.asked(format), subject.tokenizer) for format in (SIMPLE, QA))
        trials = [Trial(target, {subject.layer: Replace(donor, amount)})]
        return Session(subject).margins(trials)["margin_logits"].item() > 0

    assert right("planted") == (amount > 0.6)
    assert right("planted:threshold=0.57")


@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize(
    "dials", ["", "relapse", "relapse,spread", "bug=one_order", "spread", "graded", "dilution", "parity=fourth"]
)
def test_answers_do_not_depend_on_the_data_type(dials, dtype):
    """In both orders and three formats, a model answers as in float32. Each dial changes the mechanism in its way."""

    def answers(dtype):
        subject = built(f"planted:{dials}", dtype)
        prompts = ask(PAIRS[:1], [SIMPLE, QA, chat_format(subject.tokenizer)])
        return behaviour.behaviour(Session(subject), prompts)[["correct", "top_answer", "greedy_answer"]]

    assert answers(dtype).equals(answers("float32"))


@pytest.mark.slow
def test_known_answers_in_bfloat16():
    """Claims that read patterns, edit them, compare heads and use gradients get the right verdicts."""
    calls = trial.judge("competition", "planted", seed=0, dtype="bfloat16", only="1.1c or 2.2 or 4.1a or 5.1b")

    assert len(calls) == 4
    assert {call.claim_id: call.verdict for call in calls if not call.right} == {}
