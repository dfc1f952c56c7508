"""Trials whose prompts have different lengths share a forward pass. Each has the results of a pass of its own."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from alone import scores_alone

from claims.competition import prompts
from claims.competition.prompts import QA, SIMPLE, ask, injected
from conftest import tiny
from referee.attention.edits import Exchange, Flatten, InHeads, KnockOut, Replace
from referee.attention.tracing import Attention
from referee.measuring import batches
from referee.measuring.batches import Batches, of_any_length
from referee.measuring.requests import Trial
from referee.measuring.scores import LogProbability, Margin, NextTokenAccuracy, OutputNorm, TopToken
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

FORMATS = (QA, SIMPLE, injected(3), injected(9))
SCORES = (Margin(), TopToken(), LogProbability(), OutputNorm())


def tokens_of(subject, formats=FORMATS, pairs=2):
    return [tokenize(prompt, subject.tokenizer) for prompt in ask(prompts.pairs(pairs), formats)]


@pytest.fixture
def passes(monkeypatch):
    """Returns the lengths of the prompts of each pass. Batches are as large as on a GPU."""
    monkeypatch.setitem(batches.TOKENS_AT_ONCE, "cpu", 65_536)
    found, run = [], Attention.run

    def watched(self, ids, pattern, hidden, before, later, lengths):
        found.append(lengths)
        return run(self, ids, pattern, hidden, before, later, lengths)

    monkeypatch.setattr(Attention, "run", watched)
    return found


@pytest.mark.parametrize("layer", [0, 2])
def test_a_trial_has_the_scores_of_a_pass_of_its_own(shaped, layer, passes):
    """This is true for every family and every layer, for unedited trials and for edits that begin at different rows."""
    asked = tokens_of(shaped)
    donor = asked[0]
    kinds = [
        Flatten(),
        Exchange(((0, 1), (2, 3))),
        InHeads(Replace(donor, 0.7), (1, 2)),
        KnockOut(((1, 9, 2), (3, 9, 4))),
    ]
    edited = [Trial(tokens, {layer: kinds[i % 4]}) for i, tokens in enumerate(asked)]
    trials = [*edited, *map(Trial, asked)]
    lengths = {len(tokens) for tokens in asked}

    found = Session(shaped.at(layer)).scores(trials, *SCORES)

    assert len(lengths) > 2
    assert [set(of_pass) for of_pass in passes] == [lengths, lengths]
    alone = scores_alone(shaped.at(layer), trials, *SCORES)
    pd.testing.assert_frame_equal(found, alone, rtol=1e-4, atol=1e-5)


def test_passes_with_several_edited_layers_or_every_row_have_one_length(llama, passes):
    """Their passes read or edit every row, so no row may be padding."""
    asked = tokens_of(llama)
    lengths = {len(tokens) for tokens in asked}

    Session(llama).margins([Trial(tokens, {0: Flatten(), 1: Flatten()}) for tokens in asked])
    assert sorted(map(set, passes), key=min) == [{length} for length in sorted(lengths)]
    passes.clear()
    Session(llama).scores(list(map(Trial, asked)), NextTokenAccuracy("numerical"))
    assert sorted(map(set, passes), key=min) == [{length} for length in sorted(lengths)]


def test_margins_of_different_lengths_are_measured_again_in_one_float32_pass(grouped, passes):
    """The margins close to zero go through one pass in float32, whatever the lengths of their prompts."""
    subject = tiny("Llama", grouped)
    subject.model.bfloat16()
    asked = tokens_of(subject)

    Session(subject).margins([Trial(tokens, {1: Flatten()}) for tokens in asked])

    assert len(passes) == 2


def test_prompts_share_a_pass_only_if_the_extra_rows_are_few(llama, monkeypatch):
    """They compute from the earliest first row to the latest last row, with at most a twentieth of a batch added."""
    monkeypatch.setitem(batches.TOKENS_AT_ONCE, "cpu", 400)
    asked = [Trial(tokens) for tokens in tokens_of(llama, (QA, injected(3)), pairs=1)]
    long = len(max(asked, key=lambda trial: len(trial.tokens)).tokens)
    short = len(min(asked, key=lambda trial: len(trial.tokens)).tokens)
    padding = 2 * (long - short)

    def sizes(start_of_long, start_of_short):
        starts = {long: start_of_long, short: start_of_short}
        made = Batches(
            asked, llama, rows=lambda trial: len(trial.tokens) - starts[len(trial.tokens)], joined_by=of_any_length
        )
        return [len(some) for some in made]

    assert len(asked) == 4
    assert padding <= 20
    left = (20 - padding) // 2
    assert sizes(5, 5) == [4]
    assert sizes(5 + left, 5) == sizes(5, 5 + left) == [4]
    assert sizes(6 + left, 5) == sizes(5, 6 + left) == [2, 2]


def test_each_trial_is_read_at_its_own_last_token(llama):
    """World: a pass that reads the last row of the batch reads the padding of the shorter trials."""
    attention = Attention(llama)
    ids = torch.tensor([tokens.ids[:12] for tokens in tokens_of(llama, (QA,), pairs=1)])
    short = Attention(llama).run(ids[:, :9])

    found, wrong = attention.run(ids, lengths=[12, 9]), attention.run(ids)

    assert torch.allclose(found.final[1], short.final[1], atol=1e-5)
    assert torch.allclose(found.output_norm[1], short.output_norm[1], atol=1e-5)
    assert torch.allclose(found.final[0], wrong.final[0], atol=1e-5)
    assert not torch.allclose(wrong.final[1], short.final[1], atol=1e-2)
