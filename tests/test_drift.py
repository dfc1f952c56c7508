from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bandwidth import drift, sweep
from bandwidth.edits import Flatten, Keep, Replace
from bandwidth.prompts import ORDERS, QA, SIMPLE, Prompt, pairs
from bandwidth.sweep import Trial
from bandwidth.tokens import tokenize


def trials_of(subject, count=6):
    prompts = [Prompt(pair, order, format) for pair in pairs(count) for order in ORDERS for format in (QA, SIMPLE)]
    tokens = [tokenize(prompt, subject.tokenizer) for prompt in prompts]
    return [Trial(t, edit) for t in tokens for edit in (None, Flatten(), Replace(tokens[0], 0.5, "last row"))]


def test_the_closest_margins_of_all_sweeps_are_watched(llama):
    """At any layer, equal trials once."""
    trials = trials_of(llama)
    with drift.watched() as watch:
        first = sweep.run(llama, trials)["margin_logits"]
        again = sweep.run(llama, trials)["margin_logits"]
        other = sweep.run(llama.at(0), trials)["margin_logits"]

    smallest = sorted({*zip(first, trials, strict=True), *((m, (0, t)) for m, t in zip(other, trials, strict=True))},
                      key=lambda held: abs(held[0]))  # fmt: skip
    assert watch.margins == len(first) + len(again) + len(other)
    assert [c.margin for c in watch.closest] == [m for m, _ in smallest[: drift.LOOKED_AT]]


def test_nothing_is_watched_afterwards(llama):
    """A watch ends with its block."""
    with drift.watched() as watch:
        pass
    sweep.run(llama, trials_of(llama, 1))

    assert watch.margins == 0
    assert drift.measure(watch) is None


def test_drift_in_float32_is_rounding(shaped):
    """Of every shape, at the tests' large weights."""
    with drift.watched() as watch:
        margins = sweep.run(shaped, trials_of(shaped))["margin_logits"]

    found = drift.measure(watch)

    assert found.smallest == margins.abs().min()
    assert found.alone < 1e-4 * margins.abs().max()
    assert found.precise is None
    assert f"smallest of {len(margins)} |margins|" in str(found)


def test_drift_in_bfloat16_is_measured_against_float32(llama):
    """On the very weights; far larger than between batches of float32."""
    import copy

    subject = replace(llama, model=copy.deepcopy(llama.model).to(torch.bfloat16))
    with drift.watched() as watch:
        sweep.run(subject, trials_of(subject))

    found = drift.measure(watch)

    model = copy.deepcopy(subject.model).float()
    exact = [sweep.run_alone(replace(c.subject, model=model), [c.trial])["margin_logits"].item() for c in watch.closest]
    assert found.precise == pytest.approx(max(abs(c.margin - m) for c, m in zip(watch.closest, exact, strict=True)))
    assert found.precise > 1e-4
    assert "in float32 by" in str(found)


def test_answers_that_change_sides_are_counted(llama):
    """Told when a margin's sign is another when the trial runs by itself."""
    trial = trials_of(llama, 1)[0]
    margin = sweep.run(llama, [trial])["margin_logits"].item()
    watch = drift.Watch()
    watch(llama, [trial, Trial(trial.tokens, Keep())], [-margin, margin])

    found = drift.measure(watch)

    assert found.turned == 1
    assert found.alone == pytest.approx(2 * abs(margin), rel=1e-3)
    assert "1 of the closest change sides" in str(found)


def test_alone_means_without_what_others_left(llama, monkeypatch):
    """Every trial enters anew; what was known before is known afterwards."""
    from bandwidth.attention import Attention

    trials = trials_of(llama, 1)
    sweep.run(llama, trials)
    calls = []
    enter = Attention.enter
    monkeypatch.setattr(
        Attention,
        "enter",
        lambda self, *given, **options: calls.append(len(given[0])) or enter(self, *given, **options),
    )

    sweep.run_alone(llama, [trials[1], trials[4]])
    assert calls == [1, 1]
    sweep.run(llama, trials)
    assert calls == [1, 1]
