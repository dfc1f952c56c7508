"""Margins close to zero are measured again in float32."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from claims.competition.prompts import ORDERS, QA, SIMPLE, Prompt, pairs
from conftest import tiny
from referee.attention import float32
from referee.attention.edits import Flatten, InHeads
from referee.measuring import precision
from referee.measuring.precision import Precision
from referee.measuring.requests import Trial, Whole
from referee.measuring.result_keys import ResultKeys
from referee.measuring.scores import Margin, TopToken
from referee.measuring.session import Session
from referee.models import subjects


def settled(margins, exact, **found):
    """Returns the settled margins, the trials that were measured again, and the facts about them."""
    asked = []
    facts = Precision(**found)
    values = facts.settle(margins, lambda some: asked.extend(some) or [exact[i] for i in some])
    return values, asked, facts


def test_margins_near_zero_take_their_float32_values(monkeypatch):
    """The closest two come first. One moves by 0.3, so margins below 0.6 follow."""
    monkeypatch.setattr(precision, "_FIRST", 2)
    margins, exact = [5.0, 0.1, -0.2, 0.5, -0.7], [4.0, -0.2, -0.1, 0.6, -0.8]

    values, asked, facts = settled(margins, exact)

    assert values == [5.0, -0.2, -0.1, 0.6, -0.7]
    assert asked == [1, 2, 3]
    assert (facts.again, facts.turned) == (3, 1)
    assert facts.change == pytest.approx(0.3)


def test_the_search_ends_where_no_known_change_can_turn_a_margin(monkeypatch):
    """The first two change by 0.01, so the third, 0.5, is left alone, unless an earlier sweep had a change of 0.3."""
    monkeypatch.setattr(precision, "_FIRST", 2)
    margins, exact = [0.1, 0.2, 0.5], [0.11, 0.2, 0.4]

    assert settled(margins, exact)[1] == [0, 1]
    assert settled(margins, exact, change=0.3)[1] == [0, 1, 2]
    assert settled([], [])[1] == []


@pytest.fixture(scope="module", params=[torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def coarse(request, llama):
    return replace(llama, model=copy.deepcopy(llama.model).to(request.param))


def trials_of(session):
    prompts = [Prompt(pair, order, format) for pair in pairs(20) for order in ORDERS for format in (QA, SIMPLE)]
    tokens = [session.tokenize(prompt) for prompt in prompts]
    return [Trial(t, edits) for t in tokens for edits in ({}, {1: Flatten()}, {1: InHeads(Flatten(), (0, 2))})]


def test_the_signs_of_a_short_dtype_are_those_of_float32(coarse):
    """Every margin has the sign that it has in float32 with the same weights. Without settling, some have another."""
    session, exact = Session(coarse), Session(replace(coarse, model=copy.deepcopy(coarse.model).float()))
    trials = trials_of(session)

    found = session.scores(trials, Margin(), TopToken())["margin_logits"].to_numpy()

    expected = exact.margins(trials)["margin_logits"].to_numpy()
    assert ((found > 0) == (expected > 0)).all()
    assert 0 < session.precision.again < len(trials)
    raw = Session(coarse)
    raw.precision.settle = lambda margins, measured: margins
    assert abs(raw.margins(trials)["margin_logits"].to_numpy() - expected).max() > 2e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def test_float32_needs_no_copy_of_the_weights(shaped, dtype):
    """Margins, patterns and norms are those of a float32 copy of the same weights."""
    short = replace(shaped, model=copy.deepcopy(shaped.model).to(dtype))
    copied = replace(shaped, model=copy.deepcopy(short.model).float())
    found, expected = Session(short).precise, Session(copied)
    trials = trials_of(found)[:12]

    margins, exact = (session.margins(trials)["margin_logits"].to_numpy() for session in (found, expected))

    assert abs(margins - exact).max() <= 1e-5 * abs(exact).max()
    assert abs(Session(short).margins_alone(trials)["margin_logits"] - exact).max() > 1e-4 * abs(exact).max()
    tokens = [trial.tokens for trial in trials[:2]]
    for one, other in zip(found.patterns(tokens, Whole()), expected.patterns(tokens, Whole()), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert next(short.model.parameters()).dtype == dtype


def test_experts_of_a_loaded_model_are_computed_in_float32(grouped, tmp_path):
    """transformers has several implementations of experts, and only one of them can be computed in float32."""
    made = tiny("Mixtral", grouped)
    made.model.to(torch.bfloat16).save_pretrained(tmp_path)
    made.tokenizer.save_pretrained(tmp_path)
    short, copied = (subjects.load(str(tmp_path), layer=1, dtype=dtype) for dtype in ("bfloat16", "float32"))
    trials = trials_of(Session(copied))[:6]

    margins, exact = (
        one.margins(trials)["margin_logits"].to_numpy() for one in (Session(short).precise, Session(copied))
    )

    assert abs(margins - exact).max() <= 1e-5 * abs(exact).max()


def test_float32_needs_no_copy_of_the_vocabulary(coarse, monkeypatch):
    """The embedding converts the rows of the prompt only, because a vocabulary can have gigabytes."""
    sizes = []
    monkeypatch.setattr(
        float32, "_converted", lambda value, own=float32._converted: sizes.append(rows(value)) or own(value)
    )
    session = Session(coarse).precise

    session.margins(trials_of(session)[:3])

    assert 0 < max(sizes) < len(coarse.model.get_input_embeddings().weight)


def rows(value):
    return len(value) if isinstance(value, torch.Tensor) and value.dim() else 0


def test_a_model_in_float32_needs_no_copy(llama):
    """Its session is the precise one, and nothing is measured again."""
    session = Session(llama)
    session.margins(trials_of(session)[:3])

    assert session.precise is session
    assert session.precision == Precision()


def test_float32_results_have_keys_of_their_own(coarse):
    """They have the fingerprint of the same weights and another dtype."""
    session = Session(coarse)
    short, precise = (ResultKeys(one.subject).of("score") for one in (session, session.precise))

    assert session.precise.subject.fingerprint == coarse.fingerprint
    assert short != precise
