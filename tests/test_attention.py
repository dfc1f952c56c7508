from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from plain_pytorch import margin_of, recomputed
from transformers import AutoModelForCausalLM, MambaConfig

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt
from referee.attention import tracing as attention
from referee.attention.edits import Flatten, Keep, Replace, edited_pattern
from referee.errors import NoReadableAttention, SelfCheckFailed
from referee.measuring import scores, self_checks
from referee.measuring.requests import Trial, Whole
from referee.measuring.scores import Margin, OutputNorm
from referee.measuring.session import Session
from referee.models.subjects import assemble
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")


def prompts(subject, formats=(QA,)):
    return [tokenize(Prompt(PAIR, order, f), subject.tokenizer) for f in formats for order in ORDERS]


def test_reading_equals_plain_recomputation(shaped):
    """The patterns of every layer equal those of a forward pass that is written in plain PyTorch."""
    ids = torch.tensor([tokens.ids for tokens in prompts(shaped)])

    read = attention.Attention(shaped).read(ids, range(shaped.n_layers))

    _, expected = recomputed(shaped, ids, {})
    for layer in range(shaped.n_layers):
        torch.testing.assert_close(read[:, layer], expected[layer], atol=1e-5, rtol=0)


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_writing_equals_plain_recomputation(shaped, amount):
    """An aligned replacement gives the logits that the same edited pass has in plain PyTorch, to 1e-5."""
    targets, donors = prompts(shaped, [QA]), prompts(shaped, [SIMPLE])
    wrapped = attention.Attention(shaped)
    ids = torch.tensor([tokens.ids for tokens in targets])
    own = wrapped.read(ids, [1])[:, 0]
    other = wrapped.read(torch.tensor([tokens.ids for tokens in donors]), [1])[:, 0]
    pattern = torch.stack(
        [edited_pattern(Replace(d, amount), t, o, p) for t, d, o, p in zip(targets, donors, own, other, strict=True)]
    )

    found = wrapped.run(ids, pattern)

    plain, _ = recomputed(shaped, ids, {})
    expected, _ = recomputed(shaped, ids, {1: lambda _: pattern})
    scale = expected.abs().max()
    margins = scores.margins_of(shaped, found.final, targets)
    torch.testing.assert_close(margins / scale, scores.margins(expected, targets) / scale, atol=1e-5, rtol=0)
    assert scores.most_likely(shaped, found.final).tolist() == expected.argmax(-1).tolist()
    assert (expected - plain).abs().max() / scale > 1e-4


@dataclass(frozen=True)
class Edge:
    """The measure that returns the pattern and the gradient of one edge of the last row, for each head."""

    key: int

    def __call__(self, tokens, pattern, gradient):
        return torch.stack([pattern[:, -1, self.key], gradient[:, -1, self.key]])


@dataclass(frozen=True)
class Nudge:
    """The edit that adds a little to one edge of one head. The rows then do not sum to one."""

    head: int
    key: int
    by: float
    donor = None

    @staticmethod
    def apply(edits, to):
        found = to.own.clone()
        for pattern, edit in zip(found, edits, strict=True):
            pattern[edit.head, -1, edit.key] += edit.by
        return found


def test_gradients_are_the_slopes_of_the_margin(shaped):
    """The gradient of one edge equals central differences of edited passes, and parameters get no gradient."""
    tokens = prompts(shaped)[0]

    ((pattern, gradient),) = Session(shaped).gradients([tokens], Edge(key=3))

    (own,) = Session(shaped).patterns([tokens], Whole())
    steps = [(head, by) for head in range(shaped.n_heads) for by in (0.05, -0.05)]
    margins = Session(shaped).margins([Trial(tokens, {1: Nudge(head, 3, by)}) for head, by in steps])["margin_logits"]
    slopes = (margins[0::2].to_numpy() - margins[1::2].to_numpy()) / 0.1
    assert torch.allclose(pattern, own[0, :, -1, 3])
    assert gradient.numpy() == pytest.approx(slopes, rel=0.05, abs=0.02 * max(1.0, abs(slopes).max()))
    assert all(parameter.grad is None for parameter in shaped.model.parameters())


def test_a_sweep_equals_its_trials_one_by_one(shaped):
    """Edited and unedited prompts of two lengths have in one call the margins that each has alone."""
    targets, donors = prompts(shaped, [QA, SIMPLE]), prompts(shaped, [SIMPLE, QA])
    trials = [
        Trial(t, edits)
        for t, d in zip(targets, donors, strict=True)
        for edits in ({}, {1: Flatten()}, {1: Replace(d, 0.3)})
    ]

    together = Session(shaped).margins(trials)

    alone = [Session(shaped).margins([trial])["margin_logits"].item() for trial in trials]
    scale = together["margin_logits"].abs().max()
    assert (together["margin_logits"] - alone).abs().max() / scale < 1e-5


def test_no_edit_is_the_model_itself(shaped):
    """An unedited trial has the margin of a plain forward pass of the model."""
    tokens = prompts(shaped)[0]
    with torch.no_grad():
        logits = shaped.model(torch.tensor([tokens.ids])).logits[0, -1]

    found = Session(shaped).margins([Trial(tokens)])

    expected = margin_of(logits, tokens)
    assert found["margin_logits"].item() == pytest.approx(expected, abs=1e-5 * logits.abs().max().item())


def test_keeping_a_pattern_changes_no_bit(shaped):
    """A pattern that is read and written back leaves margins and norms the same to the last bit."""
    tokens = prompts(shaped)

    plain = Session(shaped).scores([Trial(t) for t in tokens], Margin(), OutputNorm())
    kept = Session(shaped).scores([Trial(t, {1: Keep()}) for t in tokens], Margin(), OutputNorm())

    assert plain.equals(kept)
    at_every_layer = [Trial(t, {layer: Keep() for layer in range(shaped.n_layers)}) for t in tokens]
    assert Session(shaped).margins(at_every_layer)["margin_logits"].equals(plain["margin_logits"])


def test_self_checks_pass(shaped):
    """Every supported shape passes all eleven checks."""
    found = self_checks.self_check(Session(shaped), prompts(shaped))

    assert [check.passed for check in found] == [True] * 11


@pytest.mark.parametrize(
    ("breakage", "rule"),
    [
        (
            lambda self, ids, pattern=None, hidden=None, run=attention.Attention.run: run(self, ids, None, hidden),
            "uniform or inward attention changes",
        ),
        (
            lambda self, ids, pattern=None, hidden=None, run=attention.Attention.run: run(
                self,
                ids.flip(0),
                None if pattern is None else pattern.flip(0),
                None if hidden is None else hidden.flip(0),
            ),
            "alone equals",
        ),
        (
            lambda self, ids, pattern=None, hidden=None, run=attention.Attention.run: run(
                self, ids, None if pattern is None else pattern.roll(1, dims=1), hidden
            ),
            "writing a pattern back",
        ),
    ],
    ids=["edits are lost", "trials are exchanged", "heads are shifted by one"],
)
def test_a_broken_instrument_fails_its_self_checks(llama, monkeypatch, breakage, rule):
    """An instrument that loses edits, exchanges trials or shifts heads is not used to judge."""
    monkeypatch.setattr(attention.Attention, "run", breakage)

    with pytest.raises(SelfCheckFailed, match=rule):
        self_checks.self_check(Session(llama), prompts(llama))


def test_margins_that_are_not_numbers_are_a_fault(llama, monkeypatch):
    """A margin that is not a number raises an error and never counts as a wrong answer."""
    run = attention.Attention.run

    def poisoned(self, *given):
        readout = run(self, *given)
        readout.final.fill_(float("nan"))
        return readout

    monkeypatch.setattr(attention.Attention, "run", poisoned)
    with pytest.raises(SelfCheckFailed, match="Every margin must be finite; got 1 numbers that are not, of 1"):
        Session(llama).margins([Trial(prompts(llama)[0])])


def test_a_model_without_readable_attention_says_so(grouped):
    """A state-space model has no attention patterns, so it cannot be wrapped."""
    config = MambaConfig(vocab_size=len(grouped), hidden_size=16, num_hidden_layers=2, state_size=4)
    config.num_attention_heads = 2
    subject = assemble(AutoModelForCausalLM.from_config(config), grouped, name="mamba")

    with pytest.raises(NoReadableAttention, match=r"mamba must compute attention patterns .* got MambaForCausalLM"):
        attention.Attention(subject)
