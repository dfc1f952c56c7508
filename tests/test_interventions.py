from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from claims.competition import interventions
from claims.competition.attention_moves.measure import margins_after_move, moves
from claims.competition.heads import RANDOM, balanced_groups, compared_groups, even_heads, odd_heads, random_groups
from claims.competition.interventions import placebo_of
from claims.competition.pattern_swaps import measure as pattern_swaps
from claims.competition.prompts import ORDERS, QA, SIMPLE, Case, Pair, ask
from claims.competition.share_manipulation.measure import manipulation_arms, share_arm
from claims.competition.sweeps import one_of_each_pair
from referee.attention.edits import (
    InHeads,
    MatchedPlacebo,
    SetShare,
    edited_pattern,
)
from referee.measuring.requests import Trial, Whole
from referee.measuring.session import Session
from referee.prompts.tokens import ANSWER, tokenize

PAIRS = [Pair("9.8", "9.11"), Pair("3.4", "3.25")]


@pytest.fixture(scope="module")
def tokens(llama):
    return tokenize(ask(PAIRS[:1], [QA])[0], llama.tokenizer)


@pytest.fixture(scope="module")
def own(llama, tokens):
    (pattern,) = Session(llama).patterns([tokens], Whole())
    return pattern[0]


def test_a_placebo_leaves_the_answers_own_digits_alone(tokens, own):
    """To the model, the forced prefix of the answer is a number, so a placebo must not take its attention."""
    (placebo,) = interventions.placebos(
        {"arm": InHeads(SetShare(0.3, "numerical"), (0, 2))}, named=["numerical"]
    ).values()

    found = edited_pattern(placebo, tokens, own)

    fixed = torch.tensor([found in ("numerical", ANSWER) for found in tokens.categories])
    assert ANSWER in tokens.categories
    assert torch.equal(found[..., fixed], own[..., fixed])
    assert torch.equal(found[[1, 3]], own[[1, 3]])
    assert not torch.equal(found[[0, 2]], own[[0, 2]])


def test_the_strength_of_a_placebo_is_measured(llama):
    """It is the mass that the placebo moves in the named heads, divided by the mass that the edit moves."""
    session, prompts = Session(llama), ask(PAIRS, [QA])
    arms = moves({"odd": odd_heads(llama)})
    (edit,), (placebo,) = arms.values(), interventions.placebos(arms, named=["numerical", "format"]).values()

    found = interventions.share_matched(session, prompts, edit, placebo)

    mass = dict.fromkeys((edit, placebo), 0.0)
    for prompt in prompts:
        asked = session.tokenize(prompt)
        (own,) = session.patterns([asked], Whole())[0]
        for one in mass:
            mass[one] += float((edited_pattern(one, asked, own) - own).abs().sum() / 2)
    assert 0 < found <= 1
    assert found == pytest.approx(mass[placebo] / mass[edit], rel=1e-4)


def test_random_groups_differ_and_are_balanced_where_they_say_so(llama):
    """39 groups of 16 of 32 heads. Balanced ones have two heads of each key-value group of four."""
    subject = replace(llama, n_heads=32, n_kv_heads=8)
    even = even_heads(subject)

    drawn, balanced = random_groups(subject, even, 39, seed=0), balanced_groups(subject, even, 39, seed=0)

    for groups in (drawn, balanced):
        assert len(set(groups.values())) == len(groups) == 39
        assert tuple(even) not in groups.values()
        assert all(len(set(group)) == 16 for group in groups.values())
    assert all(sum(head // 4 == kv for head in group) == 2 for group in balanced.values() for kv in range(8))
    assert random_groups(subject, even, 39, seed=1) != drawn
    several = (random_groups(replace(llama, n_heads=16), range(0, 16, 2), 10_000, seed) for seed in range(4))
    assert not any(tuple(range(0, 16, 2)) in groups.values() for groups in several)


def test_small_models_have_few_groups(llama):
    """Two of four heads: five other groups exist, and only three within key-value groups, too few for a test."""
    assert len(random_groups(llama, [0, 2], 39, seed=0)) == 5
    assert balanced_groups(llama, [0, 2], 39, seed=0) == {}


def test_rivals_leave_out_the_named_heads(llama):
    """With as many key-value groups as heads, the heads of even key-value groups are the even heads."""
    subject = replace(llama, n_heads=32, n_kv_heads=32)

    found = compared_groups(subject, even_heads(subject), 3, seed=0)

    assert found["heads 1 mod 4"] == (1, 5, 9, 13, 17, 21, 25, 29)
    assert found["second half of the heads"] == tuple(range(16, 32))
    assert "heads of even key-value groups" not in found
    assert found["heads of odd key-value groups"] == tuple(range(1, 32, 2))


def test_one_prompt_of_each_pair_alternates(llama):
    """The first pair gives its first prompt, the second pair its second one."""
    prompts = ask([*PAIRS, Pair("8.7", "8.12")], [QA])

    found = one_of_each_pair(prompts, 2)

    assert [(p.pair, p.order) for p in found] == [(PAIRS[0], ORDERS[0]), (PAIRS[1], ORDERS[1])]


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


def test_manipulation_has_separate_arms_and_placebos(llama):
    """The arms are all groups at all targets, the placebo of each target of the claim, and the document's edit."""
    arms = manipulation_arms(llama, "odd", [0.5], document=(0.3, 0.5))

    assert len(arms) == 2 * 6 + 3 + 1 + 1
    assert arms[share_arm("odd", 0.5)] == InHeads(SetShare(0.5, "numerical"), (1, 3))
    placebo = MatchedPlacebo(SetShare(0.5, "numerical"), ("numerical", ANSWER))
    assert arms[placebo_of(share_arm("odd", 0.5))] == InHeads(placebo, (1, 3))


@pytest.mark.parametrize("count", [4, 9, 32])
def test_swaps_pair_neighbours(llama, count):
    """Every odd head takes the pattern of the even head before it. A last head without a neighbour keeps its own."""
    arms = pattern_swaps.swaps(replace(llama, n_heads=count))

    taken = arms[pattern_swaps.EVEN_INTO_ODD].taken
    assert taken == tuple((head, head - 1) for head in range(1, count, 2))
    assert arms[pattern_swaps.ODD_INTO_EVEN].taken == tuple((giver, taker) for taker, giver in taken)
    assert all(taker % 2 == giver % 2 == 1 for taker, giver in arms[pattern_swaps.ODD_INTO_ODD].taken)


@pytest.mark.parametrize(("count", "random"), [(4, 3), (9, 15), (32, 39)])
@pytest.mark.parametrize("swap", [pattern_swaps.EVEN_INTO_ODD, pattern_swaps.ODD_INTO_EVEN])
def test_other_swaps_are_different_choices_and_parts(llama, count, random, swap):
    """Random choices differ from one another and from the swap. With few heads, all choices are there."""
    subject = replace(llama, n_heads=count)
    own = pattern_swaps.swaps(subject)[swap].taken

    arms = pattern_swaps.other_swaps(subject, swap, count=39, seed=0)

    drawn = [frozenset(edit.taken) for name, edit in arms.items() if name.startswith(RANDOM)]
    rivals = [set(edit.taken) for name, edit in arms.items() if not name.startswith(RANDOM)]
    assert len(set(drawn)) == len(drawn) == random
    assert frozenset(own) not in drawn
    assert len(rivals) == 4
    assert all(rival < set(own) for rival in rivals)


def test_outcomes_and_shifts_by_hand():
    """Outcomes are by margin or by the most likely token. A shift is the change of the margin, in logits."""
    table = pd.DataFrame(
        [("9.8 > 9.11", "bigger first", "Q&A", arm, margin, margin > 0, top)
         for arm, margin, top in ((interventions.UNEDITED, -1.0, "wrong"), ("edited", 2.0, "neither"))],
        columns=["pair", "order", "format", "arm", "margin_logits", "right", "top_answer"],
    )  # fmt: skip

    assert interventions.outcomes(table).tolist() == [False, True]
    assert interventions.outcomes(table, "top_answer").tolist() == [False, False]
    assert interventions.shifts(table)["edited"].tolist() == [3.0]


def test_what_needs_no_repair_is_no_counterexample(llama):
    """A prompt that is wrong in Simple or right in Q&A has an infinite margin after the move."""
    cases = [Case(pair, order) for pair in PAIRS for order in ORDERS]
    found = margins_after_move(Session(llama), cases)

    plain = interventions.interventions(Session(llama), ask(PAIRS, [SIMPLE, QA]), {}).set_index(
        ["pair", "order", "format"]
    )
    bugs = [plain.loc[(str(p), o, "Simple"), "right"] and not plain.loc[(str(p), o, "Q&A"), "right"] for p, o in cases]
    assert np.isfinite(found).tolist() == bugs
