from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from claims.competition import interventions
from claims.competition.attention_moves.measure import margins_after_move, moves
from claims.competition.heads import RANDOM, odd_heads
from claims.competition.pattern_swaps import measure as pattern_swaps
from claims.competition.prompts import ORDERS, QA, SIMPLE, Case, Pair, ask
from claims.competition.share_manipulation.measure import manipulation_arms, share_arm
from referee.attention import patterns
from referee.attention.edits import Exchange, InHeads, KnockOut, Mask, Move, SetShare, Together, members
from referee.measuring.requests import Trial, Whole
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIRS = [Pair("9.8", "9.11"), Pair("3.4", "3.25")]


@pytest.fixture(scope="module")
def tokens(llama):
    return tokenize(ask(PAIRS[:1], [QA])[0], llama.tokenizer)


@pytest.fixture(scope="module")
def own(llama, tokens):
    (pattern,) = Session(llama).patterns([tokens], Whole())
    return pattern[0]


@pytest.mark.parametrize(
    "edit",
    [SetShare(0.3, "numerical"), Move(0.5, "format", "numerical"), Mask(1.0, "format"), Exchange(((0, 1), (1, 0)))],
)
def test_an_edit_in_some_heads_leaves_the_others_alone(tokens, own, edit):
    """The named heads have the edit's pattern, to the bit, and the other heads keep their own patterns."""
    found = InHeads(edit, (0, 2))(tokens, own, None)

    assert torch.equal(found[[0, 2]], edit(tokens, own, None)[[0, 2]])
    assert torch.equal(found[[1, 3]], own[[1, 3]])


def test_setting_a_share_sets_it_on_every_row_that_sees_a_number(tokens, own):
    """The share is exact for every pattern. Rows before the first number do not change."""
    found = SetShare(0.3, "numerical")(tokens, own, None)

    numbers = members(tokens, "numerical")
    first = int(numbers.nonzero()[0])
    assert torch.allclose((found * numbers).sum(-1)[:, first:], torch.tensor(0.3), atol=1e-6)
    assert torch.equal(found[:, :first], own[:, :first])


def test_moving_gives_numbers_what_format_loses(tokens, own):
    """In each row, the numbers gain the mass that format tokens lose, and other tokens keep their mass."""
    found = Move(0.5, "format", "numerical")(tokens, own, None)

    change = found - own
    lost, gained = ((change * members(tokens, c)).sum(-1) for c in ("format", "numerical"))
    assert torch.allclose(lost, -gained, atol=1e-6)
    assert torch.equal(found[..., members(tokens, "other")], own[..., members(tokens, "other")])


def test_exchanging_takes_the_pattern_as_it_was(tokens, own):
    """Two heads that take each other's patterns do not get the same pattern."""
    found = Exchange(((0, 1), (1, 0)))(tokens, own, None)

    assert torch.equal(found, own[[1, 0, 2, 3]])


def test_edits_together_are_one_after_the_other(tokens, own):
    """The second edit gets the pattern that the first one returns."""
    first, second = InHeads(SetShare(0.3, "numerical"), (0,)), InHeads(Mask(1.0, "format"), (0, 1))

    found = Together((first, second))(tokens, own, None)

    assert torch.equal(found, second(tokens, first(tokens, own, None), None))


def test_knocking_out_removes_just_these_edges(tokens, own):
    """Head 2 loses its edge from row 5 to key 3, and the row is renormalised. No other row changes."""
    found = KnockOut(((2, 5, 3),))(tokens, own, None)

    edges = torch.zeros_like(own, dtype=torch.bool)
    edges[2, 5, 3] = True
    assert torch.equal(found, patterns.knock_out(own, edges))
    assert found[2, 5, 3] == 0
    assert (found != own).nonzero()[:, :2].unique(dim=0).tolist() == [[2, 5]]


def test_interventions_are_trials_with_names(llama):
    """The table has one row per prompt × arm with the margin of this trial. One arm is the unedited prompt."""
    prompts = ask(PAIRS, [SIMPLE, QA])
    arms = moves({"odd": odd_heads(llama)})

    table = interventions.interventions(Session(llama), prompts, arms)

    (arm,) = arms
    one = tokenize(prompts[3], llama.tokenizer)
    expected = Session(llama).margins([Trial(one), Trial(one, {llama.layer: arms[arm]})])["margin_logits"]
    rows = table[(table["pair"] == str(prompts[3].pair)) & (table["order"] == prompts[3].order)]
    rows = rows[rows["format"] == prompts[3].format.name].set_index("arm")["margin_logits"]
    assert len(table) == 2 * len(prompts)
    assert rows[interventions.UNEDITED] == pytest.approx(expected[0], abs=1e-5)
    assert rows[arm] == pytest.approx(expected[1], abs=1e-5)


def test_manipulation_has_separate_arms_and_controls(llama):
    """The arms are all groups at all targets, the named group on other tokens, and random groups of its size."""
    arms = manipulation_arms(llama, "odd", 0.5, document=(0.3, 0.5), groups=2, seed=0)

    assert len(arms) == 2 * 9 + 3 + 1 + 1 + 2
    assert arms[share_arm("odd", 0.5)] == InHeads(SetShare(0.5, "numerical"), (1, 3))
    assert arms[share_arm("odd", 0.5, "other")] == InHeads(SetShare(0.5, "other"), (1, 3))
    drawn = [edit for name, edit in arms.items() if name.startswith(RANDOM)]
    assert [len(edit.heads) for edit in drawn] == [2, 2]


@pytest.mark.parametrize("count", [4, 9, 32])
def test_swaps_pair_neighbours(llama, count):
    """Every odd head takes the pattern of the even head before it. A last head without a neighbour keeps its own."""
    from dataclasses import replace

    arms = pattern_swaps.swaps(replace(llama, n_heads=count), groups=3)

    taken = arms[pattern_swaps.EVEN_INTO_ODD].taken
    assert taken == tuple((head, head - 1) for head in range(1, count, 2))
    assert arms[pattern_swaps.ODD_INTO_EVEN].taken == tuple((giver, taker) for taker, giver in taken)
    assert all(taker % 2 == giver % 2 == 1 for taker, giver in arms[pattern_swaps.ODD_INTO_ODD].taken)
    assert len({edit.taken for name, edit in arms.items() if name.startswith(RANDOM)}) >= 2


def test_outcomes_and_shifts_by_hand():
    """Outcomes are by margin or by the most likely token. A shift is the change of the margin, in logits."""
    table = pd.DataFrame(
        [("9.8 > 9.11", "bigger first", "Q&A", arm, margin, margin > 0, top)
         for arm, margin, top in ((interventions.UNEDITED, -1.0, "wrong"), ("edited", 2.0, "neither"))],
        columns=["pair", "order", "format", "arm", "margin_logits", "right", "top_answer"],
    )  # fmt: skip

    assert interventions.outcomes(table, "edited").tolist() == [True]
    assert interventions.outcomes(table, "edited", "top_answer").tolist() == [False]
    assert interventions.shifts(table, "edited").tolist() == [3.0]


def test_what_needs_no_repair_is_no_counterexample(llama):
    """A prompt that is wrong in Simple or right in Q&A has an infinite margin after the move."""
    cases = [Case(pair, order) for pair in PAIRS for order in ORDERS]
    found = margins_after_move(Session(llama), cases)

    plain = interventions.interventions(Session(llama), ask(PAIRS, [SIMPLE, QA]), {}).set_index(
        ["pair", "order", "format"]
    )
    bugs = [plain.loc[(str(p), o, "Simple"), "right"] and not plain.loc[(str(p), o, "Q&A"), "right"] for p, o in cases]
    assert np.isfinite(found).tolist() == bugs
