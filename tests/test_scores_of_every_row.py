"""Tests of scores that read the predictions of all positions."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import pytest
import torch
from plain_pytorch import margin_of, recomputed_trial_rows
from token_rows import HALVES, in_halves, random_tokens

from referee.attention.edits import Flatten, InHeads, KnockOut, Silence, ToFirstKey
from referee.attention.kv_cache import rows_of
from referee.attention.readout import Readout
from referee.attention.tracing import Attention
from referee.errors import InstrumentFault, UnscorableTokens
from referee.measuring import scores
from referee.measuring.requests import Trial
from referee.measuring.scores import (
    LogProbability,
    Margin,
    NextTokenAccuracy,
    NextTokenLogProbability,
    OutputNorm,
    TopToken,
)
from referee.measuring.session import Session

OF_HALVES = [score(half) for half in HALVES for score in (NextTokenAccuracy, NextTokenLogProbability)]
OF_LAST_ROW = [Margin(), TopToken(), LogProbability(), OutputNorm()]
EDITS = {
    "nothing": {},
    "lowest layer": {0: InHeads(ToFirstKey(), (1, 2))},
    "layer of interest": {1: InHeads(Silence(), (0, 3))},
    "last layer": {2: Silence()},
    "two layers": {0: InHeads(Silence(), (0,)), 2: InHeads(ToFirstKey(), (1, 3))},
    "three layers": {0: InHeads(ToFirstKey(), (0, 2)), 1: InHeads(Silence(), (3,)), 2: Flatten()},
}


def expected_rows(subject, trial):
    """Returns whether each token from the second on is the most likely one, and its log probability, [token - 1]."""
    logits, _ = recomputed_trial_rows(subject, trial)
    following = torch.tensor(trial.tokens.ids[1:])
    log_probabilities = logits[:-1].log_softmax(-1)[torch.arange(len(following)), following]
    return (logits[:-1].argmax(-1) == following).float(), log_probabilities, logits


@pytest.fixture
def starts(monkeypatch):
    """The first row that each call of `run` computes."""
    seen, run = [], Attention.run

    def watched(self, ids, pattern, hidden, before, later, lengths):
        seen.append(rows_of(before))
        return run(self, ids, pattern, hidden, before, later, lengths)

    monkeypatch.setattr(Attention, "run", watched)
    return seen


def likely_tokens(subject, seed, length=13):
    """Returns a prompt in which about half of the tokens are the most likely ones, so that accuracies differ."""
    tokens = random_tokens(subject, seed, length)
    ids = list(tokens.ids)
    for p in range(2, length, 2):
        with torch.no_grad():
            ids[p] = subject.model(torch.tensor([ids[:p]])).logits[0, -1].argmax().item()
    return replace(tokens, ids=tuple(ids))


@pytest.mark.parametrize("edited", ["nothing", "last layer", "two layers"])
def test_the_prediction_of_each_token_is_that_of_plain_pytorch(shaped, edited):
    """Each token has a category of its own, so that each position is compared: its accuracy and its log probability."""
    tokens = likely_tokens(shaped, seed=3)
    trial = Trial(tokens, EDITS[edited])
    every = [
        score(f"token {p}") for p in range(1, len(tokens)) for score in (NextTokenAccuracy, NextTokenLogProbability)
    ]

    found = Session(shaped).scores([trial], *every)

    accuracy, log_probability, logits = expected_rows(shaped, trial)
    tolerance = 1e-5 * logits.abs().max().item()
    assert [found[f"accuracy, token {p}"].item() for p in range(1, len(tokens))] == accuracy.tolist()
    for p in range(1, len(tokens)):
        own = found[f"log probability, token {p}"].item()
        assert own == pytest.approx(log_probability[p - 1].item(), abs=tolerance)
    if not trial.edits:
        assert 0 < accuracy.sum() < len(accuracy)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_sweep_of_mixed_scores_and_trials_is_right(shaped, layer):
    """One call has scores of the last row and of all rows, unedited and edited trials, and prompts of two lengths.

    The prompts of a batch have different numbers of tokens in a category.
    """
    prompts = [in_halves(shaped, 1), in_halves(shaped, 2, first=4), in_halves(shaped, 3, length=9)]
    trials = [Trial(tokens, edits) for edits in EDITS.values() for tokens in prompts]
    session = Session(shaped.at(layer))

    found = session.scores(trials, *OF_LAST_ROW, *OF_HALVES)

    for row, trial in zip(found.to_dict("records"), trials, strict=True):
        accuracy, log_probability, logits = expected_rows(shaped, trial)
        tolerance = 1e-5 * logits.abs().max().item()
        assert row["margin_logits"] == pytest.approx(margin_of(logits[-1], trial.tokens), abs=tolerance)
        assert row["top_token"] == logits[-1].argmax().item()
        for half in HALVES:
            chosen = torch.tensor([category == half for category in trial.tokens.categories[1:]])
            own = log_probability[chosen].mean().item()
            assert row[f"accuracy, {half}"] == pytest.approx(accuracy[chosen].mean().item(), abs=1e-6)
            assert row[f"log probability, {half}"] == pytest.approx(own, abs=tolerance)
    last_rows = Session(shaped.at(layer)).scores(trials, *OF_LAST_ROW)
    for column in last_rows:
        assert found[column].tolist() == pytest.approx(last_rows[column].tolist(), rel=1e-4, abs=1e-4)


def test_edits_change_the_predictions(shaped):
    """The edits of two layers together, and each of them alone, give other log probabilities."""
    tokens = in_halves(shaped, 1)
    both = EDITS["two layers"]
    trials = [Trial(tokens, edits) for edits in ({}, both, *({layer: edit} for layer, edit in both.items()))]

    found = Session(shaped).scores(trials, NextTokenLogProbability("second half")).iloc[:, 0]

    differences = (found.to_numpy()[:, None] - found.to_numpy()[None]) + 9 * torch.eye(4).numpy()
    assert abs(differences).min() > 1e-4


def test_every_row_is_computed_in_each_pass(llama, starts):
    """Trials that share rows compute them again if all rows are read, and not if only the last row is read."""
    tokens = replace(in_halves(llama, 1), prompt=Answered())
    last_row = [Trial(tokens, {1: KnockOut(((head, 12, 3),))}) for head in range(4)]
    session = Session(llama)
    session.answers([tokens])

    session.margins([Trial(tokens), *last_row])
    assert set(starts) == {12}
    starts.clear()
    found = session.scores([Trial(tokens), *last_row], NextTokenLogProbability("second half")).iloc[:, 0]

    assert set(starts) == {0}
    _, log_probability, _ = expected_rows(llama, Trial(tokens))
    assert found[0] == pytest.approx(log_probability[-7:].mean().item(), abs=1e-4)
    # An edit of the last row changes the prediction of no token of the prompt.
    assert found.tolist() == pytest.approx([found[0]] * 5, abs=1e-5)


@dataclass(frozen=True)
class Answered:
    """A prompt that is always answered."""

    def read(self, text):
        return "right"


def test_only_scores_of_every_row_widen_a_pass(llama, monkeypatch):
    """A pass for the last row narrows the last layer and returns no other rows."""
    narrowed, seen = [], []
    narrow, run = Attention._narrow, Attention.run

    def watched(self, *given):
        seen.append(run(self, *given))
        return seen[-1]

    monkeypatch.setattr(
        Attention, "_narrow", lambda self, last, ends: narrowed.append(last) or narrow(self, last, ends)
    )
    monkeypatch.setattr(Attention, "run", watched)
    session, trial = Session(llama), Trial(in_halves(llama, 1))

    session.scores([trial], *OF_LAST_ROW)
    assert narrowed == [2]
    session.scores([trial], *OF_LAST_ROW, NextTokenAccuracy("second half"))
    assert narrowed == [2]
    assert seen[0].rows is None
    assert tuple(seen[1].rows.shape) == (1, 13, 32)
    assert torch.equal(seen[1].rows[:, -1], seen[1].final)


def test_a_score_says_whether_it_needs_every_row():
    """Scores of the last position are as fast as without the others."""
    assert [score.every_row for score in OF_LAST_ROW] == [False] * 4
    assert [score.every_row for score in OF_HALVES] == [True] * 4
    assert [score.column for score in OF_HALVES] == [
        "accuracy, first half",
        "log probability, first half",
        "accuracy, second half",
        "log probability, second half",
    ]


def test_the_first_token_does_not_count(llama):
    """No token comes before it, so its prediction cannot be right or wrong."""
    tokens = in_halves(llama, 1, first=3)

    found = Session(llama).scores([Trial(tokens)], NextTokenLogProbability("first half")).iloc[0, 0]

    _, log_probability, _ = expected_rows(llama, Trial(tokens))
    assert found == pytest.approx(log_probability[:2].mean().item(), abs=1e-4)


@pytest.mark.parametrize("score", [NextTokenAccuracy, NextTokenLogProbability])
@pytest.mark.parametrize("category", ["third half", "token 0"])
def test_a_category_without_a_predicted_token_is_a_fault(llama, score, category):
    """Its mean would be no number. The first token alone has no prediction either."""
    session = Session(llama)

    with pytest.raises(UnscorableTokens, match=f"The category '{category}' must have a token after .*; got none in 3"):
        session.scores([Trial(random_tokens(llama, 1, length=3))], score(category))
    assert issubclass(UnscorableTokens, InstrumentFault)


@pytest.mark.parametrize("block", [100, 2048], ids=["several blocks", "one block"])
def test_predictions_use_the_bias_and_the_cap_of_the_unembedding(llama, monkeypatch, block):
    """Some models add a bias to the logits, and some cap them. The vocabulary is split into blocks or fits into one."""
    monkeypatch.setattr(scores, "_BLOCK", block)
    model = copy.deepcopy(llama.model)
    model.lm_head.bias = torch.nn.Parameter(torch.linspace(-9, 9, len(llama.tokenizer)), requires_grad=False)
    model.config.final_logit_softcapping = 5.0
    prompts = [in_halves(llama, seed) for seed in (1, 2)]
    rows = torch.randn(2, 13, model.config.hidden_size, generator=torch.Generator().manual_seed(0))
    logits = 5 * torch.tanh(torch.nn.functional.linear(rows, model.lm_head.weight, model.lm_head.bias) / 5)
    prompts[1] = replace(prompts[1], ids=(0, *logits[1, :-1].argmax(-1).tolist()))
    readout = Readout(rows[:, -1], rows[:, -1].norm(dim=-1), rows)

    found = {score.column: score(replace(llama, model=model), readout, prompts) for score in OF_HALVES}

    for i, tokens in enumerate(prompts):
        own = logits[i, :-1].log_softmax(-1)[torch.arange(12), torch.tensor(tokens.ids[1:])]
        assert found["log probability, second half"][i].item() == pytest.approx(own[5:].mean().item(), abs=1e-5)
        assert found["log probability, first half"][i].item() == pytest.approx(own[:5].mean().item(), abs=1e-5)
        accuracy = (logits[i, :-1].argmax(-1) == torch.tensor(tokens.ids[1:])).float()
        assert found["accuracy, second half"][i].item() == pytest.approx(accuracy[5:].mean().item(), abs=1e-6)
    assert found["accuracy, second half"][1] == 1


def test_predictions_in_bfloat16_are_computed_in_float32(llama):
    """In bfloat16, the two highest logits are often equal, and the first of them would always win."""
    model = copy.deepcopy(llama.model).to(torch.bfloat16)
    rows = (6 * torch.randn(1, 300, model.config.hidden_size, generator=torch.Generator().manual_seed(0))).bfloat16()
    logits = rows[0].double() @ model.lm_head.weight.double().T
    tokens = in_halves(llama, 1, length=300, first=1)
    tokens = replace(tokens, ids=(0, *logits[:-1].argmax(-1).tolist()))
    readout, subject = Readout(rows[:, -1], rows[:, -1].norm(dim=-1), rows), replace(llama, model=model)

    accuracy = NextTokenAccuracy("second half")(subject, readout, [tokens])
    log_probability = NextTokenLogProbability("second half")(subject, readout, [tokens])

    expected = logits[:-1].log_softmax(-1).max(-1).values.mean()
    assert accuracy.item() == 1
    assert log_probability.item() == pytest.approx(expected.item(), abs=1e-4)
    assert (logits.bfloat16().argmax(-1) != logits.argmax(-1)).any()
