from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest
import torch
from alone import patterns_alone, scores_alone

from claims.competition import prompts
from claims.competition.prompts import QA, SIMPLE, ask, injected
from conftest import SHAPES, tiny
from referee.attention.edits import InHeads, KnockOut, SetShare
from referee.attention.kv_cache import rows_of
from referee.attention.tracing import Attention
from referee.measuring import prefix_cache
from referee.measuring.prefixes import shared_prefixes
from referee.measuring.requests import Trial, Whole
from referee.measuring.scores import Margin, OutputNorm, TopToken
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize


def tokens_of(tokenizer, formats, pairs=4):
    return [tokenize(prompt, tokenizer) for prompt in ask(prompts.pairs(pairs), formats)]


def common(one, other):
    same = [a == b for a, b in zip(one.ids, other.ids, strict=False)]
    return same.index(False) if False in same else len(same)


def test_prompts_that_begin_alike_share_one_prefix(single):
    """Seven of eight questions begin like the first, and all of them share the same number of tokens."""
    asked = tokens_of(single, [QA])

    found = shared_prefixes(asked, worth=1)

    assert set(found) == set(asked[1:])
    assert {prefix.prompt for prefix in found.values()} == {asked[0]}
    assert {prefix.rows for prefix in found.values()} == {min(common(asked[0], other) for other in asked[1:])}


def test_short_prompts_share_the_longest_one_that_they_begin(single):
    """A prompt with few added words is a prefix of the same prompt with many."""
    asked = tokens_of(single, [injected(words) for words in (0, 3, 12)])
    long = [tokens for tokens in asked if tokens.prompt.format == injected(12)]

    found = shared_prefixes(asked, worth=1)

    assert set(found) == set(asked) - set(long)
    for tokens, prefix in found.items():
        assert (prefix.prompt.prompt.pair, prefix.prompt.prompt.order) == (tokens.prompt.pair, tokens.prompt.order)
        assert prefix.rows <= min(common(tokens, prefix.prompt), tokens.n_prompt - 1)


def test_no_source_of_a_prefix_has_a_prefix(single):
    """This holds in a mixture of formats. Prompts of one length have prefixes of only a few different lengths."""
    asked = tokens_of(single, [SIMPLE, QA, *(injected(words) for words in range(8))], pairs=9)

    found = shared_prefixes(asked, worth=1)

    assert not {prefix.prompt for prefix in found.values()} & set(found)
    for length in {len(tokens) for tokens in found}:
        assert len({prefix.rows for tokens, prefix in found.items() if len(tokens) == length}) <= 4


def test_little_in_common_is_not_worth_a_prefix(single):
    """The same questions get no prefixes when they save too few tokens, and no prompts get no prefixes."""
    asked = tokens_of(single, [QA])
    shared = sum(prefix.rows for prefix in shared_prefixes(asked, worth=1).values())

    assert shared_prefixes(asked, worth=shared)
    assert shared_prefixes(asked, worth=shared + 1) == {}
    assert shared_prefixes([], worth=1) == {}


@pytest.fixture
def eager_to_share(monkeypatch):
    """Every shared prefix is used, even a short one."""
    monkeypatch.setattr(prefix_cache, "tokens_at_once", lambda subject: 2)


@pytest.mark.usefixtures("eager_to_share")
def test_what_is_shared_changes_nothing(shaped):
    """In every shape of model and at every layer, scores and patterns are those of prompts that run alone."""
    asked = tokens_of(shaped.tokenizer, [QA, injected(2), injected(9)], pairs=1)
    edit = InHeads(SetShare(0.3, "numerical"), (0, 2))

    for layer in range(shaped.n_layers):
        subject = shaped.at(layer)
        session = Session(subject)
        trials = [Trial(t, edits) for t in asked for edits in ({}, {layer: edit})]
        found = session.scores(trials, Margin(), TopToken(), OutputNorm())
        assert any(session.prefixes().prefix(tokens).rows for tokens in asked)
        scale = found["margin_logits"].abs().max()
        own = scores_alone(subject, trials, Margin(), TopToken(), OutputNorm())
        for margins in (own["margin_logits"], session.margins_alone(trials)["margin_logits"]):
            assert (found["margin_logits"] - margins).abs().max() < 1e-4 * scale
        assert found["top_token"].tolist() == own["top_token"].tolist()
        assert (found["output_norm"] - own["output_norm"]).abs().max() < 1e-5 * found["output_norm"].max()
        found = session.patterns(asked, Whole())
        for pattern, own in zip(found, patterns_alone(subject, asked), strict=True):
            assert torch.allclose(pattern, own, atol=1e-5)


@pytest.mark.usefixtures("eager_to_share")
def test_what_was_interrupted_begins_anew(llama, monkeypatch):
    """A prompt whose computation was interrupted gets its prefix again in the next call."""
    asked = tokens_of(llama.tokenizer, [QA], pairs=3)
    enter, calls = Attention.enter, []

    def interrupted(self, ids, before=None, **options):
        calls.append(len(ids))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return enter(self, ids, before, **options)

    session = Session(llama)
    monkeypatch.setattr(Attention, "enter", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.patterns(asked, Whole())
    found = [*session.patterns(asked[:0:-1], Whole()), *session.patterns(asked, Whole())]

    expected = patterns_alone(llama, asked)
    for pattern, own in zip(found, [*expected[:0:-1], *expected], strict=True):
        assert torch.allclose(pattern, own, atol=1e-5)


@pytest.mark.usefixtures("eager_to_share")
@pytest.mark.parametrize(
    ("shape", "window"),
    [("Mistral", {"sliding_window": 8}), ("Gemma3", {"layer_types": ["sliding_attention"] * 3})],
    ids=["Mistral", "Gemma3"],
)
def test_rows_outside_a_sliding_window_are_shared_too(grouped, monkeypatch, shape, window):
    """The layers attend to eight tokens back only, and the prompts have more than twice as many tokens."""
    name, sizes = SHAPES[shape]
    monkeypatch.setitem(SHAPES, "near-sighted", (name, sizes | window))
    subject = tiny("near-sighted", grouped)
    asked = tokens_of(subject.tokenizer, [injected(9), injected(30)], pairs=1)
    cuts = [KnockOut(((0, 14, key),)) for key in (9, 10, 12)]

    for layer in range(subject.n_layers):
        moved = subject.at(layer)
        trials = [Trial(t, edits) for t in asked for edits in ({}, *({layer: cut} for cut in cuts))]
        found, own = Session(moved).margins(trials), Session(moved).margins_alone(trials)
        assert (found["margin_logits"] - own["margin_logits"]).abs().max() < 1e-5
        for pattern, own in zip(Session(moved).patterns(asked, Whole()), patterns_alone(moved, asked), strict=True):
            assert torch.allclose(pattern, own, atol=1e-5)
    whole = Session(subject).patterns(asked, Whole(), layers=range(subject.n_layers))
    assert all(not pattern.tril(-8).any() for pattern in whole)


@pytest.mark.usefixtures("eager_to_share")
def test_models_with_other_memories_share_nothing(llama, monkeypatch):
    """No prefix is used when a layer needs more than keys and values of earlier rows."""
    monkeypatch.setattr(prefix_cache, "remembers_keys_alone", lambda subject: False)
    session = Session(llama)
    session.patterns(tokens_of(llama.tokenizer, [QA]), Whole())
    assert not session.prefixes()._prefixes


@pytest.mark.usefixtures("eager_to_share")
def test_answers_go_on_from_what_is_shared(shaped):
    """The answer to each prompt is the answer that the same prompt gets alone."""
    asked = tokens_of(shaped.tokenizer, [QA, injected(2), injected(9)], pairs=3)

    found = Session(shaped).answers(asked)

    for tokens, answer in zip(asked, found, strict=True):
        assert Session(shaped).answers([tokens]) == [answer]


def test_margins_go_on_from_what_answers_needed(shaped, monkeypatch):
    """After the answers, the margins need only the last row of each prompt and its forced prefix.

    One pass computes all of them, from the last row of the shortest prompt.
    """
    asked = tokens_of(shaped.tokenizer, [QA, injected(9)], pairs=2)
    run, starts = Attention.run, []

    def watched(self, ids, pattern, hidden, before, later, lengths):
        starts.append(rows_of(before))
        return run(self, ids, pattern, hidden, before, later, lengths)

    session = Session(shaped)
    session.answers(asked)
    with monkeypatch.context() as patch:
        patch.setattr(Attention, "run", watched)
        found = session.margins([Trial(tokens) for tokens in asked])

    assert starts == [min(tokens.n_prompt for tokens in asked) - 1]
    own = Session(shaped).margins_alone([Trial(tokens) for tokens in asked])
    assert (found["margin_logits"] - own["margin_logits"]).abs().max() < 1e-4 * own["margin_logits"].abs().max()


@pytest.mark.usefixtures("eager_to_share")
def test_unedited_trials_begin_after_their_prefix(llama, monkeypatch):
    """The upper layers, too, compute the rows of a shared prefix only once."""
    asked = tokens_of(llama.tokenizer, [QA])
    run, starts = Attention.run, []

    def watched(self, ids, pattern, hidden, before, later, lengths):
        starts.extend([rows_of(before)] * len(ids))
        return run(self, ids, pattern, hidden, before, later, lengths)

    monkeypatch.setattr(Attention, "run", watched)
    session = Session(llama)
    session.margins([Trial(tokens) for tokens in asked])

    rows = {session.prefixes().prefix(tokens).rows for tokens in asked} - {0}
    assert len(starts) == len(asked)
    assert rows
    assert set(starts) <= rows


def test_fewer_prompts_are_kept_if_memory_is_short(llama, monkeypatch):
    """Keys and values take at most a quarter of it. They are those of three layers and two heads of size 8."""
    asked = tokens_of(llama.tokenizer, [QA])
    one = 2 * 3 * max(map(len, asked)) * 16 * 4
    monkeypatch.setattr(prefix_cache, "free_bytes", lambda device: 4 * 3 * one)

    assert prefix_cache.prompts_kept(llama, asked) == 3
    session = Session(llama)
    found = session.patterns(asked, Whole())
    assert 0 < len(session.prefixes()._known) <= 3
    for pattern, own in zip(found, patterns_alone(llama, asked), strict=True):
        assert torch.allclose(pattern, own, atol=1e-5)


def test_at_least_one_prompt_is_kept_and_at_most_a_thousand(llama, monkeypatch):
    """These limits hold for any amount of free memory."""
    for free, expected in ((0, 1), (1 << 50, prefix_cache.PROMPTS)):
        monkeypatch.setattr(prefix_cache, "free_bytes", lambda device, free=free: free)
        assert prefix_cache.prompts_kept(llama, tokens_of(llama.tokenizer, [QA])) == expected


@dataclass(frozen=True)
class LookBack:
    """Lets the last row attend to the first token only. With `in_place` it changes the pattern that it gets."""

    in_place: bool
    donor: None = None

    @staticmethod
    def apply(edits, to):
        edited = to.own if edits[0].in_place else to.own.clone()
        edited[:, :, -1] = torch.eye(to.own.shape[-1])[0]
        return edited


def test_an_edit_may_change_its_arguments(llama):
    """It gets copies, so the patterns that the session keeps stay those of the model."""
    (tokens, *_) = tokens_of(llama.tokenizer, [QA], pairs=1)
    session = Session(llama)

    (pattern,) = session.patterns([tokens], Whole())
    pattern.zero_()
    trials = [Trial(tokens, {1: InHeads(LookBack(in_place), (0,))}) for in_place in (True, False)]
    found = pd.concat([session.margins([trial]) for trial in trials], ignore_index=True)
    again = session.margins([Trial(tokens, {1: InHeads(LookBack(False), (0,))}), Trial(tokens)])

    assert found["margin_logits"].nunique() == 1
    assert again["margin_logits"][0] == pytest.approx(found["margin_logits"][0], abs=1e-5)
    own = Session(llama).margins([Trial(tokens)])["margin_logits"][0]
    assert again["margin_logits"][1] == pytest.approx(own, abs=1e-5)
    assert abs(own - found["margin_logits"][0]) > 1e-4
