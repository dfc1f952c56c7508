"""Tests of results on disk for prompts that are made from token ids, and for the patterns and norms read of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from token_rows import in_halves, random_tokens

from claims.competition.prompts import Pair
from referee.attention.edits import Flatten, InHeads, Silence, ToFirstKey
from referee.attention.tracing import Attention
from referee.measuring import result_cache
from referee.measuring.requests import Trial, Whole
from referee.measuring.scores import NextTokenAccuracy, NextTokenLogProbability
from referee.measuring.session import Session


@pytest.fixture
def subject(llama):
    """Returns the tiny Llama model with the layer of interest 1."""
    return llama


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REFEREE_CACHE", str(tmp_path))


def forbid_passes(patch):
    for name in ("run", "enter", "keys", "read", "head_outputs"):
        patch.setattr(Attention, name, lambda *_, **__: pytest.fail("a forward pass"))


def test_a_second_run_finds_all_results_on_disk(subject, monkeypatch):
    """The prompts are made from a theory's frozen dataclass, which has no text and no answers."""
    tokens = in_halves(subject, 1)
    trials = [Trial(tokens, edits) for edits in ({}, {0: InHeads(Silence(), (1,))}, {0: ToFirstKey(), 1: Flatten()})]
    assert isinstance(tokens.prompt, Pair)

    def measured():
        with result_cache.kept(subject) as results:
            session = Session(subject, results)
            table = session.scores(trials, NextTokenAccuracy("second half"), NextTokenLogProbability("second half"))
            patterns = session.edited_patterns(trials, Whole(), layers=[2])
            return [torch.tensor(table.to_numpy()), *patterns, *session.head_norms([tokens], layers=[0, 2])]

    first = measured()
    forbid_passes(monkeypatch)
    again = measured()

    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_other_requests_have_other_results_on_disk(subject):
    """Other layers, another measure, another kind of result, other edits: no request gets the result of another one."""
    tokens = in_halves(subject, 1)
    edited = Trial(tokens, {0: InHeads(Silence(), (1,))})
    requests = {
        "patterns of layers 1, 2": lambda session: session.edited_patterns([edited], Whole(), layers=[1, 2]),
        "patterns of layers 2, 1": lambda session: session.edited_patterns([edited], Whole(), layers=[2, 1]),
        "patterns of layer 1": lambda session: session.edited_patterns([edited], Whole(), layers=[1]),
        "of another edit": lambda session: session.edited_patterns(
            [Trial(tokens, {0: InHeads(ToFirstKey(), (1,))})], Whole(), layers=[1]
        ),
        "of no edit": lambda session: session.edited_patterns([Trial(tokens)], Whole(), layers=[1]),
        "norms of layer 1": lambda session: session.head_norms([tokens], layers=[1]),
        "norms of layer 2": lambda session: session.head_norms([tokens], layers=[2]),
    }
    alone = {name: request(Session(subject))[0] for name, request in requests.items()}

    with result_cache.kept(subject) as results:
        for _ in range(2):
            found = {name: request(Session(subject, results))[0] for name, request in requests.items()}
            for name, own in found.items():
                assert own.shape == alone[name].shape
                assert torch.allclose(own, alone[name], atol=1e-6)
    assert torch.equal(found["patterns of layers 1, 2"].flip(0), found["patterns of layers 2, 1"])
    assert len({tuple(own.flatten().tolist()) for own in found.values()}) == len(requests)


def test_equal_ids_with_other_categories_are_other_prompts(subject):
    """They share no score, in one call or on disk, although the ids are the same and the hashes are equal."""
    one = in_halves(subject, 1, first=4)
    other = in_halves(subject, 1, first=9)
    assert one.ids == other.ids
    assert hash(one) == hash(other)
    assert one != other

    with result_cache.kept(subject) as results:
        (first,) = Session(subject, results).scores([Trial(one)], NextTokenLogProbability("second half")).iloc[:, 0]
        (second,) = Session(subject, results).scores([Trial(other)], NextTokenLogProbability("second half")).iloc[:, 0]
    both = Session(subject).scores([Trial(one), Trial(other)], NextTokenLogProbability("second half")).iloc[:, 0]

    assert both.tolist() == pytest.approx([first, second], abs=1e-4)
    assert abs(first - second) > 1e-2


def test_another_origin_of_the_same_tokens_is_another_prompt(subject, monkeypatch):
    """What the tokens were made from is part of a key."""
    one = random_tokens(subject, 1)
    other = replace(one, prompt=Pair("9.8", "9.79"))

    with result_cache.kept(subject) as results:
        Session(subject, results).head_norms([one], layers=[1])
        with monkeypatch.context() as patch:
            forbid_passes(patch)
            Session(subject, results).head_norms([one], layers=[1])
            with pytest.raises(pytest.fail.Exception, match="a forward pass"):
                Session(subject, results).head_norms([other], layers=[1])
