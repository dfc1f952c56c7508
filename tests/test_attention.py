from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import pytest
import torch
from transformers import AutoModelForCausalLM, MambaConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt
from referee.attention import tracing as attention
from referee.attention.edits import Exchange, Flatten, InHeads, Keep, Mask, Move, Replace, SetShare
from referee.errors import LayerOutOfRange, NoReadableAttention, SelfCheckFailed
from referee.measuring import scores, self_checks
from referee.measuring.requests import Trial, Whole
from referee.measuring.scores import LogProbability, Margin, OutputNorm, TopToken
from referee.measuring.session import Session
from referee.models.subjects import assemble
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")
ASKED = [Prompt(PAIR, order, QA) for order in ORDERS]


def prompts(subject, formats=(QA,)):
    return [tokenize(Prompt(PAIR, order, f), subject.tokenizer) for f in formats for order in ORDERS]


def recomputed(subject, ids, edits):
    """Returns the last logits and the patterns of a plain PyTorch forward pass.

    `edits` has a function of the pattern [prompt, head, query, key] for each edited layer. Each function gets the
    pattern that the layer has after the edits of the lower layers.
    """
    seen = {}

    def edited(module, query, key, value, attention_mask, scaling=None, dropout=0.0, softcap=None, **_):
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = query @ key.transpose(2, 3) * (scaling if scaling is not None else query.shape[-1] ** -0.5)
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        future = torch.ones(scores.shape[-2:]).triu(1).bool()
        weights = scores.masked_fill(future, -torch.inf).softmax(-1)
        if module.layer_idx in edits:
            weights = edits[module.layer_idx](weights)
        seen[module.layer_idx] = weights
        return (weights @ value).transpose(1, 2).contiguous(), weights

    ALL_ATTENTION_FUNCTIONS.register("edited by hand", edited)
    copy = AutoModelForCausalLM.from_config(deepcopy(subject.model.config)).eval()
    copy.load_state_dict(subject.model.state_dict())
    copy.set_attn_implementation("edited by hand")
    with torch.no_grad():
        return copy(input_ids=ids, use_cache=False).logits[:, -1], seen


def recomputed_trial(subject, trial, *, unedited_higher=False):
    """Returns the logits of a trial, [vocabulary], from `recomputed`.

    With `unedited_higher`, every edit gets the pattern of the unedited prompt, as a wrong instrument might do it.
    """
    ids = torch.tensor([trial.tokens.ids])
    _, unedited = recomputed(subject, ids, {})

    def of_layer(layer, edit):
        donor = None
        if edit.donor:
            donor = recomputed(subject, torch.tensor([edit.donor.ids]), {})[1][layer][0]
        return lambda own: edit(trial.tokens, unedited[layer][0] if unedited_higher else own[0], donor)[None]

    logits, _ = recomputed(subject, ids, {layer: of_layer(layer, edit) for layer, edit in trial.edits})
    return logits[0]


def margin_of(logits, tokens):
    return (logits[tokens.right_id] - logits[tokens.wrong_id]).item()


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
    port = attention.Attention(shaped)
    ids = torch.tensor([tokens.ids for tokens in targets])
    own = port.read(ids, [1])[:, 0]
    other = port.read(torch.tensor([tokens.ids for tokens in donors]), [1])[:, 0]
    pattern = torch.stack([Replace(d, amount)(t, o, p) for t, d, o, p in zip(targets, donors, own, other, strict=True)])

    found = port.run(ids, pattern)

    plain, _ = recomputed(shaped, ids, {})
    expected, _ = recomputed(shaped, ids, {1: lambda _: pattern})
    scale = expected.abs().max()
    margins = scores.margins_of(shaped, found.final, targets)
    torch.testing.assert_close(margins / scale, scores.margins(expected, targets) / scale, atol=1e-5, rtol=0)
    assert scores.most_likely(shaped, found.final).tolist() == expected.argmax(-1).tolist()
    assert (expected - plain).abs().max() / scale > 1e-4


def several_layers(target, donor, layer):
    """Returns edits of several layers, with and without donors, and edits of one layer, for one sweep."""
    return [
        {},
        {layer: Flatten()},
        {0: Move(0.5, "format", "numerical"), 2: Replace(donor, 0.7)},
        {0: Replace(donor, 0.7), 1: InHeads(SetShare(0.6, "numerical"), (0, 2)), 2: Replace(donor, 1.0, "last row")},
        {2: Replace(donor, 1.0)},
        {1: Mask(0.8, "format"), 2: Exchange(((0, 3), (2, 1)))},
        {0: Keep(), 1: Replace(donor, 0.4, informed=False)},
    ]


@pytest.mark.parametrize("layer", [1, 2])
def test_edits_of_several_layers_equal_plain_recomputation(shaped, layer):
    """One sweep has edits at one, two and three layers and unedited prompts, and all scores are those of plain PyTorch.

    A donor's pattern at a higher layer is that of the unedited donor. The layer of interest does not matter.
    """
    targets, donors = prompts(shaped, [QA, SIMPLE]), prompts(shaped, [SIMPLE, QA])
    trials = [Trial(t, edits) for t, d in zip(targets, donors, strict=True) for edits in several_layers(t, d, layer)]

    session = Session(shaped.at(layer))
    found = session.margins(trials).join(session.scores(trials, TopToken(), LogProbability()))

    for row, trial in zip(found.itertuples(), trials, strict=True):
        logits = recomputed_trial(shaped, trial)
        tolerance = 1e-5 * logits.abs().max().item()
        log_probability = logits.log_softmax(-1)[trial.tokens.right_id].item()
        assert row.margin_logits == pytest.approx(margin_of(logits, trial.tokens), abs=tolerance)
        assert row.log_probability == pytest.approx(log_probability, abs=tolerance)
        assert row.top_token == logits.argmax().item()


def test_an_edit_changes_the_pattern_that_the_lower_edits_leave(shaped):
    """An edit of the unedited higher pattern would give another margin, and so would the lack of either edit."""
    target, donor = prompts(shaped, [QA])[0], prompts(shaped, [SIMPLE])[0]
    trial = Trial(target, {0: Replace(donor, 0.7), 2: Replace(donor, 0.5)})
    expected = recomputed_trial(shaped, trial)

    found = Session(shaped).margins([trial])["margin_logits"].item()

    tolerance = 1e-5 * expected.abs().max().item()
    assert found == pytest.approx(margin_of(expected, target), abs=tolerance)
    others = [recomputed_trial(shaped, Trial(target, {layer: edit})) for layer, edit in trial.edits]
    for other in (*others, recomputed_trial(shaped, trial, unedited_higher=True)):
        assert abs(margin_of(other, target) - found) > 10 * tolerance


def test_a_batch_of_edits_of_several_layers_does_not_mix_trials(shaped):
    """Trials that edit the same two layers of different prompts, with different donors, have their own margins."""
    targets, donors = prompts(shaped, [QA]), prompts(shaped, [SIMPLE])
    trials = [
        Trial(target, {0: lower, 2: Replace(donor, amount)})
        for target in targets
        for donor in donors
        for amount in (0.3, 0.9)
        for lower in (Flatten(), Mask(0.5, "format"))
    ]

    together = Session(shaped).margins(trials)["margin_logits"]

    alone = Session(shaped).margins_alone(trials)["margin_logits"]
    scale = together.abs().max()
    assert len(set(together.round(4))) == len(trials)
    assert (together - alone).abs().max() < 1e-5 * scale


def test_a_higher_edit_may_change_rows_before_those_of_the_lower_edit(shaped):
    """The lower edits here change only the prompt's last row, as those of one layer do in the same sweep."""
    target, donor = prompts(shaped, [QA])[0], prompts(shaped, [SIMPLE])[0]
    lower = [Replace(donor, amount, "last row") for amount in (0.3, 0.6, 0.9)]
    trials = [Trial(target, edits) for edit in lower for edits in ({0: edit}, {0: edit, 1: Flatten()})]

    found = Session(shaped).margins(trials)["margin_logits"]

    for margin, trial in zip(found, trials, strict=True):
        logits = recomputed_trial(shaped, trial)
        assert margin == pytest.approx(margin_of(logits, trial.tokens), abs=1e-5 * logits.abs().max().item())


@pytest.mark.parametrize("edits", [{3: Keep()}, {-1: Keep()}, {0: Keep(), 7: Keep()}], ids=["above", "below", "second"])
def test_an_edit_of_a_layer_that_does_not_exist_is_refused(llama, monkeypatch, edits):
    """The sweep raises LayerOutOfRange before any trial runs."""
    session, tokens = Session(llama), prompts(llama)
    monkeypatch.setattr(attention.Attention, "enter", lambda *_, **__: pytest.fail("a forward pass"))
    monkeypatch.setattr(attention.Attention, "run", lambda *_, **__: pytest.fail("a forward pass"))

    with pytest.raises(LayerOutOfRange, match="must be 0 to 2; got"):
        session.margins([Trial(tokens[0]), Trial(tokens[1], edits)])


def test_edits_are_in_the_order_of_the_layers(llama):
    """Two trials with the same edits are equal, whatever the order in which the caller names the layers."""
    tokens = prompts(llama)[0]

    one, other = Trial(tokens, {2: Keep(), 0: Flatten()}), Trial(tokens, {0: Flatten(), 2: Keep()})

    assert one == other
    assert one.edits == ((0, Flatten()), (2, Keep()))
    assert one.layers == (0, 2)
    assert Trial(tokens).layers == ()
    assert one != Trial(tokens, {0: Keep(), 2: Flatten()})


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

    def __call__(self, target, own, donor_pattern):
        edited = own.clone()
        edited[self.head, -1, self.key] += self.by
        return edited


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


def test_self_checks_pass(shaped):
    """Every supported shape passes all nine checks."""
    found = self_checks.self_check(Session(shaped), ASKED)

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
    """An instrument that loses edits, exchanges trials or shifts heads is not used to judge."""
    monkeypatch.setattr(attention.Attention, "run", breakage)

    with pytest.raises(SelfCheckFailed, match=rule):
        self_checks.self_check(Session(llama), ASKED)


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
