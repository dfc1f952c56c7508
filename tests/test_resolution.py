from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from claims.competition.prompts import ORDERS, QA, SIMPLE, Prompt, pairs
from referee.attention.edits import Flatten, Keep, Replace
from referee.measuring import resolution
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize


def trials_of(subject, count=6):
    prompts = [Prompt(pair, order, format) for pair in pairs(count) for order in ORDERS for format in (QA, SIMPLE)]
    tokens = [tokenize(prompt, subject.tokenizer) for prompt in prompts]
    return [Trial(t, edit) for t in tokens for edit in (None, Flatten(), Replace(tokens[0], 0.5, "last row"))]


def test_the_closest_margins_of_all_sweeps_are_watched(llama):
    """At any layer, equal trials once."""
    trials, session = trials_of(llama), Session(llama)
    with resolution.watched(session) as watch:
        first = session.margins(trials)["margin_logits"]
        again = session.margins(trials)["margin_logits"]
        other = session.at(0).margins(trials)["margin_logits"]

    smallest = sorted({*zip(first, trials, strict=True), *((m, (0, t)) for m, t in zip(other, trials, strict=True))},
                      key=lambda held: abs(held[0]))  # fmt: skip
    assert watch.margins == len(first) + len(again) + len(other)
    assert [c.margin for c in watch.closest] == [m for m, _ in smallest[: resolution.LOOKED_AT]]


def test_nothing_is_watched_afterwards(llama):
    """A watch ends with its block."""
    session = Session(llama)
    with resolution.watched(session) as watch:
        pass
    session.margins(trials_of(llama, 1))

    assert watch.margins == 0
    assert resolution.measure(session, watch) is None


def test_drift_in_float32_is_rounding(shaped):
    """Of every shape, at the tests' large weights."""
    session = Session(shaped)
    with resolution.watched(session) as watch:
        margins = session.margins(trials_of(shaped))["margin_logits"]

    found = resolution.measure(session, watch)

    assert found.smallest == margins.abs().min()
    assert found.alone < 1e-4 * margins.abs().max()
    assert found.precise is None
    assert f"smallest of {len(margins)} |margins|" in str(found)


def test_drift_in_bfloat16_is_measured_against_float32(llama):
    """On the very weights; far larger than between batches of float32."""
    import copy

    session = Session(replace(llama, model=copy.deepcopy(llama.model).to(torch.bfloat16)))
    with resolution.watched(session) as watch:
        session.margins(trials_of(session.subject))

    found = resolution.measure(session, watch)

    precise = Session(replace(llama, model=copy.deepcopy(session.subject.model).float()))
    exact = [precise.margins_alone([c.trial])["margin_logits"].item() for c in watch.closest]
    assert found.precise == pytest.approx(max(abs(c.margin - m) for c, m in zip(watch.closest, exact, strict=True)))
    assert found.precise > 1e-4
    assert "in float32 by" in str(found)


def test_answers_that_change_sides_are_counted(llama):
    """Told when a margin's sign is another when the trial runs by itself."""
    trial, session = trials_of(llama, 1)[0], Session(llama)
    margin = session.margins([trial])["margin_logits"].item()
    watch = resolution.Watch()
    watch(llama.layer, [trial, Trial(trial.tokens, Keep())], [-margin, margin])

    found = resolution.measure(session, watch)

    assert found.turned == 1
    assert found.alone == pytest.approx(2 * abs(margin), rel=1e-3)
    assert "1 of the closest change sides" in str(found)


def test_alone_means_without_what_others_left(llama, monkeypatch):
    """Every trial enters anew; what was known before is known afterwards."""
    from referee.attention.tracing import Attention

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
