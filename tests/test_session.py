from __future__ import annotations

import pandas as pd
import pytest
import torch

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt
from referee.attention.edits import Flatten, InHeads, Keep, KnockOut, Move, Replace, SetShare, edited_pattern
from referee.attention.kv_cache import rows_of
from referee.attention.tracing import Attention
from referee.measuring import edited_rows
from referee.measuring import session as sessions
from referee.measuring.requests import Trial, Whole
from referee.measuring.scores import LogProbability, Margin, OutputNorm, TopToken
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")
SCORES = (Margin(), TopToken(), OutputNorm(), LogProbability())


def tokens_of(subject, format, pair=PAIR):
    return [tokenize(Prompt(pair, order, format), subject.tokenizer) for order in ORDERS]


def trials_of(subject):
    """Returns trials of prompts of two lengths. All edits are at the layer of interest.

    Some trials are unedited, and some are edited in all heads or in a few, from the first row or in the last row only.
    """
    asked, simple, at = tokens_of(subject, QA), tokens_of(subject, SIMPLE), subject.layer
    in_two_heads = InHeads(SetShare(0.3, "numerical"), (0, 2))
    found = [Trial(t, edits) for t in (*asked, *simple) for edits in ({}, {at: Flatten()}, {at: in_two_heads})]
    for target, donor in zip(asked, simple, strict=True):
        found += [Trial(target, {at: InHeads(Replace(donor, 1.0), heads)}) for heads in ((0,), (1, 3), (0, 1, 2, 3))]
        found += [
            Trial(target, {at: Replace(donor, amount, kind)})
            for amount in (0.5, 1.0)
            for kind in ("meaning", "last row")
        ]
    return found


@pytest.fixture
def rows(monkeypatch):
    """The number of prompts in each call of three methods of Attention, by method."""
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


def scored(session: Session, trials) -> pd.DataFrame:
    return session.scores(trials, Margin(), OutputNorm())


def same(one: pd.DataFrame, other: pd.DataFrame, tolerance: float = 1e-5) -> bool:
    columns = {"margin_logits": one["margin_logits"].abs().max(), "output_norm": one["output_norm"].max()}
    return all((one[name] - other[name]).abs().max() < tolerance * scale for name, scale in columns.items())


def in_whole_passes(subject, trials) -> pd.DataFrame:
    """Returns the scores of trials that edit at most the layer of interest, each from one whole forward pass."""
    attention, found = Attention(subject), []
    for trial in trials:
        ids, tokens, pattern = torch.tensor([trial.tokens.ids]), [trial.tokens], None
        for layer, edit in trial.edits:
            assert layer == subject.layer
            own = attention.read(ids, [layer])[0, 0].float()
            donor = edit.donor and attention.read(torch.tensor([edit.donor.ids]), [layer])[0, 0].float()
            pattern = edited_pattern(edit, trial.tokens, own, donor)[None]
        alone = attention.run(ids, pattern)
        found.append([score(subject, alone, tokens).item() for score in SCORES])
    return pd.DataFrame(found, columns=[score.column for score in SCORES])


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_layers_below_are_skipped_without_a_trace(shaped, layer):
    """At any layer of interest a mixed sweep has the scores of its trials, each in one whole forward pass."""
    subject = shaped.at(layer)
    trials = trials_of(subject)
    chosen = [0, 1, 5, len(trials) - 1]

    found = Session(subject).scores(trials, *SCORES)

    alone = in_whole_passes(subject, [trials[i] for i in chosen])
    for i, (_, expected) in zip(chosen, alone.iterrows(), strict=True):
        assert found["output_norm"][i] == pytest.approx(expected["output_norm"], rel=1e-5)
        assert found["top_token"][i] == expected["top_token"]
        for column in ("margin_logits", "log_probability"):
            assert found[column][i] == pytest.approx(expected[column], abs=1e-5 * found[column].abs().max())


def test_equal_trials_run_once(llama, rows):
    """Two requests are equal if their values are equal, even if the prompts and edits are made twice."""
    first, again = trials_of(llama), trials_of(llama)
    prompts = tokens_of(llama, QA, Pair("7.5", "7.31"))
    trials = [Trial(p, {1: e}) for p in prompts for e in (Keep(), Keep(), Move(0.5, "format", "numerical"))]

    found = scored(Session(llama), [*first, *again, *trials])

    assert sum(rows["run"]) == len(set(first)) + 4
    assert found.iloc[: len(first)].equals(found.iloc[len(first) : 2 * len(first)].reset_index(drop=True))


def test_keeping_and_doing_nothing_are_one(shaped):
    """They are equal to the last bit in batches of two trials, in a session that has computed nothing before."""
    tokens, other = tokens_of(shaped, QA)

    trials = [Trial(other, {1: Flatten()}), Trial(tokens, {1: Keep()}), Trial(other), Trial(tokens)]
    found = Session(shaped).scores(trials, *SCORES)

    assert len(tokens) == len(other)
    assert found.iloc[1].equals(found.iloc[3])


def test_reading_gives_layers_in_the_order_asked_for(llama, rows):
    """Equal prompts are read only once."""
    one, other = tokens_of(llama, QA)

    found = Session(llama).patterns([one, other, one], Whole(), layers=[2, 0])

    assert rows["read"] == [2]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[0][0], Session(llama).patterns([one], Whole(), layers=[2])[0][0])


def test_no_trials_give_an_empty_table(llama):
    """The table has one column for each score, in the order of the scores."""
    assert list(Session(llama).margins([]).columns) == ["margin_logits"]
    columns = ["margin_logits", "top_token", "output_norm", "log_probability"]
    assert list(Session(llama).scores([], *SCORES).columns) == columns


def test_looking_for_changed_rows_in_small_batches_changes_nothing(llama, monkeypatch):
    """The scores are the same if the patterns of all trials, of some or of one are edited at once."""
    trials = trials_of(llama)

    def found(room):
        monkeypatch.setattr(edited_rows, "_AT_ONCE", room)
        return scored(Session(llama), trials)

    together = found(64 << 20)
    assert same(together, found(20_000))
    assert same(together, found(0))


def test_rows_that_no_edit_reaches_are_computed_once(llama, monkeypatch):
    """Passes start at the first row that any edit changes, if enough trials share the rows before it.

    The edits here change the prompt's last row. A trial that changes nothing starts there, too.
    """
    starts = []
    run = Attention.run

    def watched(self, ids, pattern, hidden, before, later, lengths):
        starts.append(rows_of(before))
        return run(self, ids, pattern, hidden, before, later, lengths)

    monkeypatch.setattr(Attention, "run", watched)
    target, donor = tokens_of(llama, QA)[0], tokens_of(llama, SIMPLE)[0]
    trials = [Trial(target, {1: Replace(donor, amount, "last row")}) for amount in (0.2, 0.4, 0.6)]

    for some in ([*trials, Trial(target), Trial(target, {1: Keep()})], [*trials[:2], Trial(target)]):
        Session(llama).margins(some)

    assert starts == [target.n_prompt - 1, target.n_prompt - 1, 0, 0]


def test_a_batch_of_several_prompts_and_first_rows_is_exact(shaped):
    """In each shape of model and at each layer, a trial has the scores of one whole forward pass of its own."""
    targets = [t for pair in (PAIR, Pair("7.5", "7.31"), Pair("3.9", "3.25")) for t in tokens_of(shaped, QA, pair)]
    heads = [(0,), (1, 2), (0, 1, 2, 3)]
    prompts_and_edits = [
        (t, KnockOut(tuple((h, row, 1) for h in some))) for some in heads for t in targets for row in (3, 9)
    ]
    prompts_and_edits += [(t, InHeads(Replace(targets[0], 0.7), some)) for some in heads for t in targets]

    for layer in range(shaped.n_layers):
        subject = shaped.at(layer)
        trials = [Trial(tokens, {layer: edit}) for tokens, edit in prompts_and_edits]
        some = trials[layer::7]
        session = Session(subject)
        found = scored(session, trials).iloc[layer::7].reset_index(drop=True)
        alone = session.margins_alone(some).join(in_whole_passes(subject, some)["output_norm"])
        assert same(found, alone, tolerance=1e-4)


NO_MEMORY = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]


def short_of_memory(monkeypatch, most, problem):
    """Lets batches of more than `most` trials fail, and returns the list of the sizes that are tried."""
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
    """The scores are the same at every batch size."""
    trials = trials_of(llama)
    whole = scored(Session(llama), trials)
    tried = short_of_memory(monkeypatch, most, problem)

    found = scored(Session(llama), trials)

    assert max(tried) > most
    assert same(whole, found)


def test_one_row_that_does_not_fit_is_a_fault(llama, monkeypatch):
    """A single trial cannot be halved, so the error is raised."""
    short_of_memory(monkeypatch, 0, NO_MEMORY[0])

    with pytest.raises(torch.OutOfMemoryError):
        Session(llama).margins(trials_of(llama))


def test_other_faults_are_not_tried_again(llama, monkeypatch):
    """Only a lack of memory leads to smaller batches."""
    tried = short_of_memory(monkeypatch, 0, RuntimeError("shapes differ"))

    with pytest.raises(RuntimeError, match="shapes differ"):
        Session(llama).margins(trials_of(llama))
    assert len(tried) == 1


def test_sweeps_at_several_layers_share_prefix_caches_and_observers(llama, rows):
    """The session computes the prompts once for each layer, and observers get the trials of all sweeps."""
    session, seen = Session(llama), []
    session.observers.append(lambda trials, margins: seen.append(([trial.layers for trial in trials], len(margins))))
    tokens = tokens_of(llama, QA)

    for layer in (1, 0, 1, 0):
        session.margins([Trial(t, {layer: Keep()}) for t in tokens])

    assert seen == [([(layer,)] * 2, 2) for layer in (1, 0, 1, 0)]
    assert rows["enter"] == [2, 2]


def test_one_sweep_at_all_layers_equals_one_sweep_for_each_layer(shaped):
    """The rows are in the order of the trials, and observers get them all at once."""
    tokens, seen = tokens_of(shaped, QA), []
    by_layer = [[Trial(t, {layer: Flatten()}) for t in tokens] for layer in range(shaped.n_layers)]
    mixed = [trial for trials in zip(*by_layer, [Trial(t) for t in tokens], strict=True) for trial in trials]
    session = Session(shaped)
    session.observers.append(lambda trials, margins: seen.append((trials, margins)))

    found = scored(session, mixed)

    assert seen == [(mixed, found["margin_logits"].tolist())]
    for trials in (*by_layer, [Trial(t) for t in tokens]):
        rows = found.iloc[[mixed.index(trial) for trial in trials]].reset_index(drop=True)
        assert same(rows, scored(Session(shaped), trials))


def test_prefixes_of_the_latest_layers_are_kept(llama, monkeypatch, rows):
    """A session drops the prefix cache of the layer that it has not used for longest, and nothing else changes."""
    monkeypatch.setattr(sessions, "_LAYERS", 2)
    session = Session(llama)
    trials = [Trial(t, {layer: Flatten()}) for t in tokens_of(llama, QA) for layer in range(llama.n_layers)]
    kept = [session.prefixes(layer) for layer in range(llama.n_layers)]

    assert session.prefixes(1) is kept[1]
    assert session.prefixes(2) is kept[2]
    assert session.prefixes() is kept[1]
    assert session.prefixes(0) is not kept[0]
    assert session.prefixes(1) is kept[1]
    assert same(scored(session, trials), scored(Session(llama), trials))


def test_sessions_of_one_model_share_nothing(llama, rows):
    """Nothing is kept on the model, so another session computes everything again."""
    tokens = tokens_of(llama, QA)

    for _ in range(2):
        Session(llama).margins([Trial(t) for t in tokens])

    assert len(rows["enter"]) == 2
