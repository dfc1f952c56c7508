from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from by_hand import SETTINGS

from claims.competition import behaviour
from claims.competition.bandwidth_distribution import measure as bandwidth
from claims.competition.bandwidth_distribution.evidence import Distribution
from claims.competition.observed import by_head
from claims.competition.pattern_replacement import measure as thresholds
from claims.competition.prompts import ORDERS, QA, SIMPLE, Case, Pair, ask, pairs
from conftest import tiny
from referee.attention import patterns
from referee.attention.edits import Replace, edited_pattern
from referee.measuring.requests import Trial, Whole
from referee.measuring.session import Session
from referee.prompts.tokens import align, tokenize

PAIRS = pairs(3)


@pytest.fixture(scope="module")
def distribution(llama):
    return bandwidth.bandwidth_distribution(Session(llama), ask(PAIRS, [SIMPLE, QA]))


def test_a_row_for_each_prompt_head_and_measure(distribution, llama):
    """The table has a row for each of three pairs, two orders, two formats, four heads and all measures."""
    assert len(distribution) == 3 * 2 * 2 * llama.n_heads * len(bandwidth.MEASURES)
    assert not distribution.isna().any(axis=None)


def test_shares_add_up(distribution):
    """The shares of numbers, format tokens and other tokens sum to one."""
    shares = distribution[distribution["measure"] != "enrichment"]

    total = shares[["numerical_share", "format_share", "other_share"]].sum(axis=1)
    assert (total - 1).abs().max() < 1e-5


def test_all_rows_is_the_mass_on_number_tokens(distribution, llama):
    """The share equals the sum over every row of the prompt's pattern, divided by the number of rows."""
    prompt = ask(PAIRS, [SIMPLE, QA])[5]
    tokens = tokenize(prompt, llama.tokenizer)
    (pattern,) = Session(llama).patterns([tokens], Whole())
    prompt_only = pattern[0, :, : tokens.n_prompt, : tokens.n_prompt]
    numbers = [i for i, category in enumerate(tokens.categories) if category == "numerical"]

    row = distribution[(distribution["measure"] == "all rows") & (distribution["pair"] == str(prompt.pair))]
    row = row[(row["order"] == prompt.order) & (row["format"] == prompt.format.name)]
    expected = prompt_only[:, :, numbers].sum((1, 2)) / tokens.n_prompt
    assert row["numerical_share"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_uniform_attention_is_the_yardstick_of_enrichment(distribution):
    """Enrichment times the uniform share is the share."""
    index = ["pair", "order", "format", "head", "measure"]
    shares = distribution.set_index(index)["numerical_share"].unstack("measure")

    assert (shares["enrichment"] * shares["uniform attention"] - shares["all rows"]).abs().max() < 1e-6


def test_uniform_attention_alone_is_above_forty_percent_in_simple(distribution):
    """With a BOS, uniform attention puts about 54 % of its mass on the numbers of Simple."""
    flat = bandwidth.per_head(distribution, "uniform attention")

    assert flat.loc["Simple"].mean() == pytest.approx(0.54, abs=0.02)
    assert flat.loc["Q&A"].mean() == pytest.approx(0.16, abs=0.02)


def test_reductions_average_over_what_they_say(distribution, llama):
    """`by_head` has each prompt and head once, and `per_head` averages over pairs and orders. Their means are equal."""
    of_prompts = by_head(distribution, "numerical_share")[llama.layer, bandwidth.ALL_ROWS, "Q&A"]
    means = bandwidth.per_head(distribution).loc["Q&A"]

    assert list(of_prompts.index.get_level_values("pair")) == [str(pair) for pair in PAIRS for _ in ORDERS]
    assert of_prompts.mean().tolist() == pytest.approx(means.tolist())


def test_attention_to_bos_is_a_column_of_the_last_row(llama):
    """It is the mean over heads and orders, by format."""
    prompts = ask(PAIRS[:1], [SIMPLE])

    found = bandwidth.attention_to_bos(Session(llama), prompts)

    patterns = Session(llama).patterns([tokenize(prompt, llama.tokenizer) for prompt in prompts], Whole())
    rows = [p[0, :, tokenize(q, llama.tokenizer).n_prompt - 1, 0] for p, q in zip(patterns, prompts, strict=True)]
    assert found == {"Simple": pytest.approx(torch.stack(rows).mean().item())}


def test_a_subject_without_a_bos_says_so(distribution, llama, single):
    """The sentence has the published shares in both cases."""
    without = Session(tiny("Llama", single))
    published = "(published for Llama-3.1-8B-Instruct, layer 10: 72.7 % in Simple, 60.7 % in Q&A)."

    none, some = (
        Distribution(distribution, llama, SETTINGS, to_bos=to_bos).sink()
        for to_bos in (bandwidth.attention_to_bos(without, ask(PAIRS[:1], [SIMPLE])), {"Simple": 0.727, "Q&A": 0.5})
    )

    assert none == f"This subject has no BOS, to which the last token could attend {published}"
    assert some == (f"The last token's attention to BOS, mean over heads, is 72.7% in Simple, 50.0% in Q&A {published}")


def test_behaviour_scores_and_reads_every_prompt(llama):
    """The table has the margin and the greedy answer of each prompt, and `accuracies` counts them."""
    table = behaviour.behaviour(Session(llama), ask(PAIRS, [SIMPLE, QA]))

    assert (table["correct"] == (table["margin_logits"] > 0)).all()
    assert set(table["greedy_answer"]) <= {"right", "wrong", "neither"}
    assert [row[-1] for row in behaviour.accuracies(table).rows] == [3, 3, 3, 3]


def test_only_some_prompts_are_written(llama):
    """The other prompts have margins but no greedy answer. The table of facts counts both kinds separately."""
    session, prompts = Session(llama), ask(PAIRS, [SIMPLE, QA])
    table = behaviour.behaviour(session, prompts, written=ask(PAIRS[:1], [SIMPLE, QA]))

    everything = behaviour.behaviour(session, prompts)
    np.testing.assert_allclose(table["margin_logits"], everything["margin_logits"], atol=1e-5)
    first = table["pair"] == str(PAIRS[0])
    assert table["greedy_answer"][first].tolist() == everything["greedy_answer"][first].tolist()
    assert table["greedy_answer"][~first].isna().all()
    assert [(row[3], row[-1]) for row in behaviour.accuracies(table).rows] == [(3, 1)] * 4


CASES = [Case(PAIRS[0], "bigger first"), Case(PAIRS[1], "bigger second")]


def test_replacement_runs_from_own_to_donor(llama):
    """Amount 0 is the unedited prompt, amount 1 is the full replacement, and the rows are in this order."""
    table = thresholds.replacement(Session(llama), CASES, refine=False)

    plain = Session(llama).margins([Trial(tokenize(p, llama.tokenizer)) for p in ask([PAIRS[0]], [QA])])
    first = table[(table["pair"] == str(PAIRS[0])) & (table["order"] == "bigger first")]
    assert first["amount"].tolist() == list(thresholds.COARSE)
    assert first["margin_logits"].iloc[0] == pytest.approx(plain["margin_logits"][0], abs=1e-5)
    target, donor = (tokenize(ask([PAIRS[0]], [f])[0], llama.tokenizer) for f in (QA, SIMPLE))
    whole = Session(llama).margins([Trial(target, {llama.layer: Replace(donor, 1.0)})])["margin_logits"].item()
    assert first["margin_logits"].iloc[-1] == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("arm", [thresholds.UNINFORMED, *thresholds.VARIANTS], ids=lambda arm: arm.name)
def test_every_arm_replaces_something(llama, arm):
    """At full replacement, every arm changes the margin."""
    table = thresholds.replacement(Session(llama), CASES, arm, amounts=(0.0, 1.0), refine=False)

    margins = table["margin_logits"].to_numpy().reshape(2, 2)
    assert (abs(margins[:, 1] - margins[:, 0]) > 1e-4).all()


def test_arms_do_what_their_names_say(llama):
    """At full replacement, each arm equals a replacement by hand from the patterns of the two prompts."""
    target, donor = (tokenize(ask([PAIRS[0]], [f])[0], llama.tokenizer) for f in (QA, SIMPLE))
    own, other = (pattern[0] for pattern in Session(llama).patterns([target, donor], Whole()))
    last = align(target, donor, "last row")

    def moved(pattern):
        rows, keys = map(torch.tensor, align(target, donor).counterparts(len(target)))
        return patterns.transplant(own, pattern, rows, keys)

    assert torch.equal(edited_pattern(Replace(donor, 1.0), target, own, other), moved(other))
    changed = edited_pattern(Replace(donor, 1.0, "last row"), target, own, other) != own
    assert set(changed.nonzero()[:, 1].tolist()) == set(last.rows)
    flat = patterns.uniform(len(donor)).expand_as(other)
    assert torch.equal(edited_pattern(Replace(donor, 1.0, informed=False), target, own, other), moved(flat))


def curve(margins, pair="9.8 > 9.11", amounts=None):
    amounts = amounts or [i / (len(margins) - 1) for i in range(len(margins))]
    return pd.DataFrame({"pair": pair, "order": "bigger first", "amount": amounts, "margin_logits": margins})


def test_crossing_by_hand():
    """From −1 at 0.5 to 3 at 0.75, the margin is zero a quarter of the way."""
    (found,) = thresholds.crossings(curve([-2.0, -2.0, -1.0, 3.0, 3.0])).itertuples()

    assert found.crossing_share == pytest.approx(0.5625)
    assert found.repaired
    assert found.monotone


def test_a_margin_that_never_turns_is_censored():
    """The crossing and the width are infinite."""
    (found,) = thresholds.crossings(curve([-2.0, -1.5, -1.0])).itertuples()

    assert (found.crossing_share, found.width_share, found.repaired) == (np.inf, np.inf, False)


def test_width_of_a_straight_line_is_eight_tenths():
    """The width is the distance from 10 % to 90 % of the change."""
    (found,) = thresholds.crossings(curve([-1.0, -0.5, 0.0, 0.5, 1.0])).itertuples()

    assert found.width_share == pytest.approx(0.8)


def test_width_of_a_step_is_below_the_grid():
    """A step on a grid of 0.05 is at most 0.04 wide."""
    (found,) = thresholds.crossings(curve([-1.0] * 12 + [1.0] * 9)).itertuples()

    assert found.width_share == pytest.approx(0.04)


def test_what_was_never_wrong_is_not_repaired():
    """A prompt that is right without an edit is left out of the table."""
    table = pd.concat([curve([2.0, 1.0]), curve([-1.0, 1.0], pair="8.7 > 8.12")])

    assert thresholds.crossings(table)["pair"].tolist() == ["8.7 > 8.12"]
    assert thresholds.crossings(curve([2.0, 1.0])).empty


def test_refinement_adds_amounts_around_the_turn(llama, monkeypatch):
    """The gap in which the sign changes is halved twice, from 1/20 to 1/80."""

    def sharp(session, trials, *scores, progress=None):
        turned = [any(edit.amount > 0.613 for _, edit in trial.edits) for trial in trials]
        return pd.DataFrame({"margin_logits": [1.0 if t else -1.0 for t in turned], "output_norm": 1.0})

    monkeypatch.setattr(Session, "scores", sharp)
    table = thresholds.replacement(Session(llama), [Case(Pair("9.8", "9.11"), "bigger first")])

    assert sorted(set(table["amount"]) - set(thresholds.COARSE)) == pytest.approx([0.6125, 0.625])
    assert thresholds.crossings(table)["crossing_share"].item() == pytest.approx(0.61875)


def test_courses_run_from_zero_to_one():
    """A course is the margin of a repaired pair as a share of its whole change."""
    found = thresholds.courses(curve([-3.0, -1.0, 1.0]), amounts=(0.0, 0.5, 1.0))

    assert found.tolist() == [[0.0, 0.5, 1.0]]


@pytest.mark.parametrize("margins", [[-1.0, -1.0], [-1.0, -2.0], [-2.0, -1.0]])
def test_what_is_not_repaired_has_no_course(margins):
    """A margin that stays the same, falls or remains negative has no course."""
    assert len(thresholds.courses(curve(margins), amounts=(0.0, 1.0))) == 0


def test_attention_that_is_not_a_number_is_a_fault(llama, monkeypatch):
    """A NaN in a pattern raises SelfCheckFailed. No average leaves it out."""
    from referee.attention.tracing import Attention
    from referee.errors import SelfCheckFailed

    enter = Attention.enter

    def poisoned(self, ids, before=None, **options):
        hidden, pattern, keys = enter(self, ids, before, **options)
        return hidden, pattern.index_fill(1, torch.tensor([1]), torch.nan), keys

    monkeypatch.setattr(Attention, "enter", poisoned)

    with pytest.raises(SelfCheckFailed, match="Every attention pattern must be finite"):
        bandwidth.bandwidth_distribution(Session(llama), ask(PAIRS, [SIMPLE]))
