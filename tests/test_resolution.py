from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from claims.competition.prompts import ORDERS, QA, SIMPLE, Prompt, pairs
from referee.attention.edits import Flatten, Keep, Replace
from referee.attention.tracing import Attention
from referee.measuring import resolution
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize


def trials_of(subject, count=6, layer=1):
    prompts = [Prompt(pair, order, format) for pair in pairs(count) for order in ORDERS for format in (QA, SIMPLE)]
    tokens = [tokenize(prompt, subject.tokenizer) for prompt in prompts]
    edits = ({}, {layer: Flatten()}, {layer: Replace(tokens[0], 0.5, "last row")})
    return [Trial(t, each) for t in tokens for each in edits]


def test_the_closest_margins_of_all_sweeps_are_watched(llama):
    """The sweeps edit different layers. A trial that runs in several sweeps counts once among the closest."""
    trials, others, session = trials_of(llama), trials_of(llama, layer=0), Session(llama)
    with resolution.watched(session) as watch:
        first = session.margins(trials)["margin_logits"]
        again = session.margins(trials)["margin_logits"]
        other = session.margins(others)["margin_logits"]

    latest = dict(
        [*zip(trials, first, strict=True), *zip(trials, again, strict=True), *zip(others, other, strict=True)]
    )
    smallest = sorted(latest.items(), key=lambda measured: abs(measured[1]))[: resolution.LOOKED_AT]
    assert watch.margins == len(first) + len(again) + len(other)
    assert [margin for _, margin in watch.closest] == [margin for _, margin in smallest]
    assert [trial for trial, _ in watch.closest] == [trial for trial, _ in smallest]
    assert len({trial for trial, _ in watch.closest}) == resolution.LOOKED_AT
    assert {0, 1} <= {layer for trial in latest for layer in trial.layers}


def test_nothing_is_watched_afterwards(llama):
    """A watch ends with its context."""
    session = Session(llama)
    with resolution.watched(session) as watch:
        pass
    session.margins(trials_of(llama, 1))

    assert watch.margins == 0
    assert resolution.measure(session, watch) is None


def test_margins_in_float32_change_by_rounding_only(shaped):
    """This holds for models of every shape, with the large weights of the tests."""
    session = Session(shaped)
    with resolution.watched(session) as watch:
        margins = session.margins(trials_of(shaped))["margin_logits"]

    found = resolution.measure(session, watch)

    assert found.smallest == margins.abs().min()
    assert found.alone < 1e-4 * margins.abs().max()
    assert found.precise is None
    assert f"smallest of {len(margins)} |margins|" in str(found)


def test_margins_in_bfloat16_are_measured_again_in_float32(llama):
    """The closest margins are those of the float32 copy. The largest change is far larger than between batches."""
    session = Session(replace(llama, model=copy.deepcopy(llama.model).to(torch.bfloat16)))
    with resolution.watched(session) as watch:
        session.margins(trials_of(session.subject))

    found = resolution.measure(session, watch)

    precise = Session(replace(llama, model=copy.deepcopy(session.subject.model).float()))
    exact = [precise.margins_alone([trial])["margin_logits"].item() for trial, _ in watch.closest]
    assert [margin for _, margin in watch.closest] == pytest.approx(exact, abs=1e-4)
    assert found.alone < 1e-4
    assert found.precise > 1e-4
    assert found.again == session.precision.again > 0
    assert f"{found.again} close to zero measured again in float32" in str(found)


def test_answers_that_change_sides_are_counted(llama):
    """An answer counts if the sign of its margin is another one when the trial runs alone."""
    trial, session = trials_of(llama, 1)[0], Session(llama)
    margin = session.margins([trial])["margin_logits"].item()
    watch = resolution.Watch()
    watch([trial, Trial(trial.tokens, {1: Keep()})], [-margin, margin])

    found = resolution.measure(session, watch)

    assert found.turned == 1
    assert found.alone == pytest.approx(2 * abs(margin), rel=1e-3)
    assert "1 of them change sign" in str(found)


def test_alone_means_without_the_results_of_others(llama, monkeypatch):
    """Each trial computes its own prompt, and the session keeps what it knew before."""
    trials, session = trials_of(llama, 1), Session(llama)
    session.margins(trials)
    calls = []
    enter = Attention.enter
    monkeypatch.setattr(
        Attention,
        "enter",
        lambda self, *given, **options: calls.append(len(given[0])) or enter(self, *given, **options),
    )

    session.margins_alone([trials[1], trials[4]])
    assert calls == [1, 1]
    session.margins(trials)
    assert calls == [1, 1]
