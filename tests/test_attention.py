from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt
from referee.attention import tracing as attention
from referee.attention.edits import Flatten, Keep, Replace
from referee.errors import NoReadableAttention, SelfCheckFailed
from referee.measuring import scores, self_checks
from referee.measuring.requests import Trial, Whole
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")


def prompts(subject, formats=(QA,)):
    return [tokenize(Prompt(PAIR, order, f), subject.tokenizer) for f in formats for order in ORDERS]


def recomputed(subject, ids, layer, pattern):
    """Logits and patterns of a plain PyTorch forward pass in which one layer's pattern is another."""
    seen = {}

    def edited(module, query, key, value, attention_mask, scaling=None, dropout=0.0, softcap=None, **_):
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = query @ key.transpose(2, 3) * (scaling if scaling is not None else query.shape[-1] ** -0.5)
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        future = torch.ones(scores.shape[-2:]).triu(1).bool()
        weights = scores.masked_fill(future, -torch.inf).softmax(-1)
        if module.layer_idx == layer and pattern is not None:
            weights = pattern
        seen[module.layer_idx] = weights
        return (weights @ value).transpose(1, 2).contiguous(), weights

    ALL_ATTENTION_FUNCTIONS.register("edited by hand", edited)
    copy = AutoModelForCausalLM.from_config(deepcopy(subject.model.config)).eval()
    copy.load_state_dict(subject.model.state_dict())
    copy.set_attn_implementation("edited by hand")
    with torch.no_grad():
        return copy(input_ids=ids, use_cache=False).logits[:, -1], seen


def test_reading_equals_plain_recomputation(shaped):
    """Patterns at every layer are those of a forward pass written in plain PyTorch."""
    ids = torch.tensor([tokens.ids for tokens in prompts(shaped)])

    read = attention.Attention(shaped).read(ids, range(shaped.n_layers))

    _, expected = recomputed(shaped, ids, None, None)
    for layer in range(shaped.n_layers):
        torch.testing.assert_close(read[:, layer], expected[layer], atol=1e-5, rtol=0)


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_writing_equals_plain_recomputation(shaped, amount):
    """An aligned replacement gives the logits of the same edited pass in plain PyTorch, to 1e-5."""
    targets, donors = prompts(shaped, [QA]), prompts(shaped, [SIMPLE])
    port = attention.Attention(shaped)
    ids = torch.tensor([tokens.ids for tokens in targets])
    own = port.read(ids, [1])[:, 0]
    other = port.read(torch.tensor([tokens.ids for tokens in donors]), [1])[:, 0]
    pattern = torch.stack([Replace(d, amount)(t, o, p) for t, d, o, p in zip(targets, donors, own, other, strict=True)])

    found = port.run(ids, pattern)

    plain, _ = recomputed(shaped, ids, None, None)
    expected, _ = recomputed(shaped, ids, 1, pattern)
    scale = expected.abs().max()
    margins = scores.margins_of(shaped, found.final, targets)
    torch.testing.assert_close(margins / scale, scores.margins(expected, targets) / scale, atol=1e-5, rtol=0)
    assert scores.most_likely(shaped, found.final).tolist() == expected.argmax(-1).tolist()
    assert (expected - plain).abs().max() / scale > 1e-4


@dataclass(frozen=True)
class Edge:
    """Pattern and gradient of one edge of the last row, for each head."""

    key: int

    def __call__(self, tokens, pattern, gradient):
        return torch.stack([pattern[:, -1, self.key], gradient[:, -1, self.key]])


@dataclass(frozen=True)
class Nudge:
    """Adds a little to one edge of one head; rows need not sum to one."""

    head: int
    key: int
    by: float
    donor = None

    def __call__(self, target, own, donor_pattern):
        edited = own.clone()
        edited[self.head, -1, self.key] += self.by
        return edited


def test_gradients_are_the_slopes_of_the_margin(shaped):
    """Central differences of edited forward passes, for each head, on one edge; parameters get no gradient."""
    tokens = prompts(shaped)[0]

    ((pattern, gradient),) = Session(shaped).gradients([tokens], Edge(key=3))

    (own,) = Session(shaped).patterns([tokens], Whole())
    steps = [(head, by) for head in range(shaped.n_heads) for by in (0.05, -0.05)]
    margins = Session(shaped).margins([Trial(tokens, Nudge(head, 3, by)) for head, by in steps])["margin_logits"]
    slopes = (margins[0::2].to_numpy() - margins[1::2].to_numpy()) / 0.1
    assert torch.allclose(pattern, own[0, :, -1, 3])
    assert gradient.numpy() == pytest.approx(slopes, rel=0.05, abs=0.02 * max(1.0, abs(slopes).max()))
    assert all(parameter.grad is None for parameter in shaped.model.parameters())


def test_a_sweep_equals_its_trials_one_by_one(shaped):
    """Prompts of two lengths, edited and not, in one call: the same margins as each alone."""
    targets, donors = prompts(shaped, [QA, SIMPLE]), prompts(shaped, [SIMPLE, QA])
    trials = [Trial(t, e) for t, d in zip(targets, donors, strict=True) for e in (None, Flatten(), Replace(d, 0.3))]

    together = Session(shaped).margins(trials)

    alone = [Session(shaped).margins([trial])["margin_logits"].item() for trial in trials]
    scale = together["margin_logits"].abs().max()
    assert (together["margin_logits"] - alone).abs().max() / scale < 1e-5


def test_no_edit_is_the_model_itself(shaped):
    """An unedited trial has the margin of a bare forward pass."""
    tokens = prompts(shaped)[0]
    with torch.no_grad():
        logits = shaped.model(torch.tensor([tokens.ids])).logits[0, -1]

    found = Session(shaped).margins([Trial(tokens)])

    expected = (logits[tokens.right_id] - logits[tokens.wrong_id]).item()
    assert found["margin_logits"].item() == pytest.approx(expected, abs=1e-5 * logits.abs().max().item())


def test_keeping_a_pattern_changes_no_bit(shaped):
    """Writing back what was read is an exact no-op."""
    tokens = prompts(shaped)

    plain = Session(shaped).margins([Trial(t) for t in tokens])
    kept = Session(shaped).margins([Trial(t, Keep()) for t in tokens])

    assert plain.equals(kept)


def test_output_norm_is_the_residual_stream_after_the_layer(llama):
    """hidden_states[layer + 1] at the last position."""
    tokens = prompts(llama)[0]
    with torch.no_grad():
        states = llama.model(torch.tensor([tokens.ids]), output_hidden_states=True).hidden_states

    found = Session(llama).margins([Trial(tokens)])

    assert found["output_norm"].item() == pytest.approx(states[llama.layer + 1][0, -1].norm().item(), rel=1e-5)


def test_self_checks_pass(shaped):
    """Every supported shape passes, and each check says what it measured."""
    found = self_checks.self_check(Session(shaped))

    assert [check.passed for check in found] == [True] * 9


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
    """An instrument that loses edits, mixes trials or shifts heads never gets to judge."""
    monkeypatch.setattr(attention.Attention, "run", breakage)

    with pytest.raises(SelfCheckFailed, match=rule):
        self_checks.self_check(Session(llama))


def test_margins_that_are_not_numbers_are_a_fault(llama, monkeypatch):
    """NaN is never a wrong answer."""
    run = attention.Attention.run

    def poisoned(self, *given):
        readout = run(self, *given)
        readout.final.fill_(float("nan"))
        return readout

    monkeypatch.setattr(attention.Attention, "run", poisoned)
    with pytest.raises(SelfCheckFailed, match="Every margin must be finite; got 1 numbers that are not, of 1"):
        Session(llama).margins([Trial(prompts(llama)[0])])


def test_a_model_without_readable_attention_says_so(grouped):
    """A state-space model has no attention patterns."""
    from transformers import MambaConfig

    from referee.models.subjects import assemble

    config = MambaConfig(vocab_size=len(grouped), hidden_size=16, num_hidden_layers=2, state_size=4)
    config.num_attention_heads = 2
    subject = assemble(AutoModelForCausalLM.from_config(config), grouped, name="mamba")

    with pytest.raises(NoReadableAttention, match=r"mamba must compute attention patterns .* got MambaForCausalLM"):
        attention.Attention(subject)
