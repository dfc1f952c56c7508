"""Tests of trials with edits at several layers."""

from __future__ import annotations

import pytest
from plain_pytorch import margin_of, recomputed_trial

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt
from referee.attention.edits import Exchange, Flatten, InHeads, Keep, Mask, Move, Replace, SetShare
from referee.attention.tracing import Attention
from referee.errors import LayerOutOfRange
from referee.measuring.requests import Trial
from referee.measuring.scores import LogProbability, TopToken
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")


def prompts(subject, formats=(QA,)):
    return [tokenize(Prompt(PAIR, order, f), subject.tokenizer) for f in formats for order in ORDERS]


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
    assert len(set(together.round(5))) == len(trials)
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
    monkeypatch.setattr(Attention, "enter", lambda *_, **__: pytest.fail("a forward pass"))
    monkeypatch.setattr(Attention, "run", lambda *_, **__: pytest.fail("a forward pass"))

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
