from __future__ import annotations

import pandas as pd
import pytest
import torch

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt
from referee.attention.edits import Flatten, InHeads, Keep, KnockOut, Move, Replace, SetShare
from referee.attention.tracing import Attention
from referee.measuring import edited_rows, scores
from referee.measuring.requests import Trial, Whole
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")


def tokens_of(subject, format, pair=PAIR):
    return [tokenize(Prompt(pair, order, format), subject.tokenizer) for order in ORDERS]


def trials_of(subject):
    """Prompts of two lengths; unedited, edited in all heads or in some, from the first row or the last alone."""
    asked, simple = tokens_of(subject, QA), tokens_of(subject, SIMPLE)
    found = [Trial(t, edit) for t in (*asked, *simple) for edit in (None, Flatten(), InHeads(SetShare(0.3), (0, 2)))]
    for target, donor in zip(asked, simple, strict=True):
        found += [Trial(target, InHeads(Replace(donor, 1.0), heads)) for heads in ((0,), (1, 3), (0, 1, 2, 3))]
        found += [
            Trial(target, Replace(donor, amount, kind)) for amount in (0.5, 1.0) for kind in ("meaning", "last row")
        ]
    return found


@pytest.fixture
def rows(monkeypatch):
    """How many rows went through the upper layers in each call, and through the lower ones."""
    seen = {"run": [], "enter": [], "read": []}

    def watched(name, calls):
        method = getattr(Attention, name)

        def counted(self, ids, *given, **options):
            calls.append(len(ids))
            return method(self, ids, *given, **options)

        monkeypatch.setattr(Attention, name, counted)

    for name, calls in seen.items():
        watched(name, calls)
    return seen


def same(one: pd.DataFrame, other: pd.DataFrame, tolerance: float = 1e-5) -> bool:
    columns = {"margin_logits": one["margin_logits"].abs().max(), "output_norm": one["output_norm"].max()}
    return all((one[name] - other[name]).abs().max() < tolerance * scale for name, scale in columns.items())


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_layers_below_are_skipped_without_a_trace(shaped, layer):
    """At any layer of interest a mixed sweep equals its trials, each as one whole forward pass."""
    subject = shaped.at(layer)
    trials = trials_of(subject)

    found = Session(subject).margins(trials, top_answers=True)

    port = Attention(subject)
    for i in (0, 1, 5, len(trials) - 1):
        ids = torch.tensor([trials[i].tokens.ids])
        own = port.read(ids, [layer])[0, 0].float()
        edit = trials[i].edit
        donor = edit and edit.donor and port.read(torch.tensor([edit.donor.ids]), [layer])[0, 0].float()
        pattern = edit(trials[i].tokens, own, donor)[None] if edit else None
        alone = port.run(ids, pattern)
        assert found["output_norm"][i] == pytest.approx(alone.output_norm.item(), rel=1e-5)
        top = scores.most_likely(subject, alone.final)
        assert found["top_answer"][i] == scores.top_answers(top, [trials[i].tokens])[0]
        margin = scores.margins_of(subject, alone.final, [trials[i].tokens]).item()
        assert found["margin_logits"][i] == pytest.approx(margin, abs=1e-5 * found["margin_logits"].abs().max())


def test_equal_trials_run_once(llama, rows):
    """Equal by value: a prompt made twice, an edit made twice; lower layers once a prompt."""
    first, again = trials_of(llama), trials_of(llama)
    prompts = tokens_of(llama, QA, Pair("7.5", "7.31"))
    trials = [Trial(p, e) for p in prompts for e in (Keep(), Keep(), Move(0.5))]

    found = Session(llama).margins([*first, *again, *trials])

    assert sum(rows["run"]) == len(set(first)) + 4
    assert found.iloc[: len(first)].equals(found.iloc[len(first) : 2 * len(first)].reset_index(drop=True))


def test_keeping_and_doing_nothing_are_one(shaped):
    """To the last bit, in batches of two, where nothing is known of the prompts before."""
    tokens, other = tokens_of(shaped, QA)

    trials = [Trial(other, Flatten()), Trial(tokens, Keep()), Trial(other), Trial(tokens)]
    found = Session(shaped).margins(trials)

    assert len(tokens) == len(other)
    assert found.iloc[1].equals(found.iloc[3])


def test_reading_gives_layers_in_the_order_asked_for(llama, rows):
    """And equal prompts are read once."""
    one, other = tokens_of(llama, QA)

    found = Session(llama).patterns([one, other, one], Whole(), layers=[0, 2])

    assert rows["read"] == [2]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[0][1], Session(llama).patterns([one], Whole(), layers=[2])[0][0])


def test_nothing_to_do_is_an_empty_table(llama):
    """With the columns asked for."""
    assert list(Session(llama).margins([]).columns) == ["margin_logits", "output_norm"]
    assert list(Session(llama).margins([], top_answers=True).columns) == ["margin_logits", "output_norm", "top_answer"]


def test_remembered_rows_are_those_made_anew(llama, monkeypatch):
    """With room for all edited rows, for some and for none."""
    trials = trials_of(llama)

    def found(room):
        monkeypatch.setattr(edited_rows, "_REMEMBERED", room)
        return Session(llama).margins(trials)

    anew = found(0)
    assert same(anew, found(64 << 20))
    assert same(anew, found(2000))


def test_rows_that_no_edit_reaches_are_computed_once(llama, monkeypatch):
    """Edits of the last prompt row start there, and so does what changes nothing; too few are not worth it."""
    starts = []
    run = Attention.run

    def watched(self, ids, pattern, hidden, before):
        starts.append(next(iter(before.values()))[0].shape[2] if before else 0)
        return run(self, ids, pattern, hidden, before)

    monkeypatch.setattr(Attention, "run", watched)
    target, donor = tokens_of(llama, QA)[0], tokens_of(llama, SIMPLE)[0]
    trials = [Trial(target, Replace(donor, amount, "last row")) for amount in (0.2, 0.4, 0.6)]

    for some in ([*trials, Trial(target), Trial(target, Keep())], [*trials[:2], Trial(target)]):
        Session(llama).margins(some)

    assert starts == [target.n_prompt - 1, target.n_prompt - 1, 0, 0]


def test_a_batch_of_several_prompts_and_first_rows_is_exact(shaped, monkeypatch):
    """Each trial as if it ran by itself, in one whole forward pass; in each shape of model, at each layer."""
    targets = [t for pair in (PAIR, Pair("7.5", "7.31"), Pair("3.9", "3.25")) for t in tokens_of(shaped, QA, pair)]
    heads = [(0,), (1, 2), (0, 1, 2, 3)]
    trials = [Trial(t, KnockOut(tuple((h, row, 1) for h in some))) for some in heads for t in targets for row in (3, 9)]
    trials += [Trial(t, InHeads(Replace(targets[0], 0.7), some)) for some in heads for t in targets]

    for layer in range(shaped.n_layers):
        subject = shaped.at(layer)
        found = Session(subject).margins(trials).iloc[layer::7].reset_index(drop=True)
        assert same(found, Session(subject).margins_alone(trials[layer::7]), tolerance=1e-4)


NO_MEMORY = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]


def short_of_memory(monkeypatch, most, problem):
    """Batches of more than `most` rows do not fit; tells how many rows each attempt had."""
    tried = []
    run = Attention.run

    def limited(self, ids, *given):
        tried.append(len(ids))
        if len(ids) > most:
            raise problem
        return run(self, ids, *given)

    monkeypatch.setattr(Attention, "run", limited)
    return tried


@pytest.mark.parametrize("problem", NO_MEMORY, ids=["GPU", "CPU"])
@pytest.mark.parametrize("most", [1, 3])
def test_batches_shrink_until_they_fit(llama, monkeypatch, most, problem):
    """The same results at every batch size."""
    trials = trials_of(llama)
    whole = Session(llama).margins(trials)
    tried = short_of_memory(monkeypatch, most, problem)

    found = Session(llama).margins(trials)

    assert max(tried) > most
    assert same(whole, found)


def test_one_row_that_does_not_fit_is_a_fault(llama, monkeypatch):
    """There is nothing left to halve."""
    short_of_memory(monkeypatch, 0, NO_MEMORY[0])

    with pytest.raises(torch.OutOfMemoryError):
        Session(llama).margins(trials_of(llama))


def test_other_faults_are_not_tried_again(llama, monkeypatch):
    """Only a lack of memory is."""
    tried = short_of_memory(monkeypatch, 0, RuntimeError("shapes differ"))

    with pytest.raises(RuntimeError, match="shapes differ"):
        Session(llama).margins(trials_of(llama))
    assert len(tried) == 1


def test_a_session_at_another_layer_shares_what_is_known(llama, rows):
    """Its caches and its observers; each layer's prefixes are computed once."""
    session, seen = Session(llama), []
    session.observers.append(lambda layer, trials, margins: seen.append((layer, len(margins))))
    tokens = tokens_of(llama, QA)

    for layer in (1, 0, 1, 0):
        session.at(layer).margins([Trial(t) for t in tokens])

    assert seen == [(1, 2), (0, 2), (1, 2), (0, 2)]
    assert len(rows["enter"]) == 2


def test_sessions_of_one_model_share_nothing(llama, rows):
    """Nothing is kept on the model, so another session computes everything anew."""
    tokens = tokens_of(llama, QA)

    for _ in range(2):
        Session(llama).margins([Trial(t) for t in tokens])

    assert len(rows["enter"]) == 2
