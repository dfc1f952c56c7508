"""Tests of scores that a result cache keeps for a second run."""

from __future__ import annotations

import pytest

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt
from referee.attention.edits import Flatten, InHeads, Replace, SetShare
from referee.attention.tracing import Attention
from referee.measuring.requests import Trial
from referee.measuring.result_cache import ResultCache
from referee.measuring.scores import LogProbability, Margin, OutputNorm, TopToken
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

SCORES = (Margin(), TopToken(), OutputNorm(), LogProbability())
COMBINATIONS = (
    (Margin(),),
    (OutputNorm(),),
    (Margin(), TopToken()),
    (TopToken(), Margin()),
    (LogProbability(), OutputNorm()),
    SCORES,
)


def tokens_of(subject, format):
    return [tokenize(Prompt(Pair("9.8", "9.11"), order, format), subject.tokenizer) for order in ORDERS]


@pytest.fixture
def passes(monkeypatch):
    """The number of trials in each forward pass, in order."""
    sizes, run = [], Attention.run

    def counted(self, ids, *given):
        sizes.append(len(ids))
        return run(self, ids, *given)

    monkeypatch.setattr(Attention, "run", counted)
    return sizes


def test_each_combination_of_scores_is_found_again(llama, monkeypatch, tmp_path, passes):
    """A second run of the same sweeps needs no forward pass, and its tables equal the first ones to the last bit."""
    tokens, donor = tokens_of(llama, QA), tokens_of(llama, SIMPLE)[0]
    in_two_heads = InHeads(SetShare(0.3, "numerical"), (0, 2))
    every = ({}, {1: Flatten()}, {0: in_two_heads}, {1: Replace(donor, 0.5)}, {0: Flatten(), 2: Replace(donor, 0.5)})
    trials = [Trial(t, edits) for t in tokens for edits in every]

    def tables():
        results = ResultCache(tmp_path / "results.sqlite")
        session = Session(llama, results)
        found = [session.scores(trials, *combination) for combination in COMBINATIONS]
        results.close()
        return found

    first = tables()
    count = len(passes)
    for name in ("run", "enter", "read", "keys"):
        monkeypatch.setattr(Attention, name, lambda *_, **__: pytest.fail("a forward pass"))
    again = tables()

    assert count > len(COMBINATIONS)
    for one, other, combination in zip(first, again, COMBINATIONS, strict=True):
        assert list(one.columns) == [score.column for score in combination]
        assert one.equals(other)
    for one in first[:-1]:
        for column in one:
            expected = pytest.approx(first[-1][column].tolist(), rel=1e-5, abs=1e-5)
            assert one[column].tolist() == expected


def test_scores_that_were_not_asked_for_are_measured(llama, tmp_path, passes):
    """A kept margin does not give the top token, so the trial runs again. Equal trials at other layers run, too."""
    tokens = tokens_of(llama, QA)
    session = Session(llama, ResultCache(tmp_path / "results.sqlite"))
    trials = [Trial(t, {1: Flatten()}) for t in tokens]

    session.margins(trials)
    assert sum(passes) == 2
    assert session.scores(trials, TopToken())["top_token"].between(0, len(llama.tokenizer) - 1).all()
    assert sum(passes) == 4
    session.margins([Trial(t, {0: Flatten()}) for t in tokens])
    assert sum(passes) == 6
    session.margins([Trial(t, {0: Flatten(), 1: Flatten()}) for t in tokens])
    assert sum(passes) == 8
    session.margins(trials)
    assert sum(passes) == 8
