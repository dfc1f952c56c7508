"""The findings of claims on tables made by hand: controls that fail, orders that disagree, chance that explains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand import BOTH, FIRST_ONLY, NEITHER, PAIRS, SETTINGS, edited, finding_of
from hypothesis import strategies as st

from claims.competition.attention_moves import test_attention_moves as of_moves
from claims.competition.attention_moves.evidence import Moves
from claims.competition.attention_moves.measure import move_arm, moves
from claims.competition.edited import Edited
from claims.competition.format_masking.evidence import MASKED, Masks
from claims.competition.format_masking.measure import mask_arm
from claims.competition.interventions import placebo_of
from claims.competition.parity import Parity
from claims.competition.pattern_replacement import test_pattern_replacement as of_replacement
from claims.competition.pattern_replacement.controls import Layers
from claims.competition.pattern_replacement.measure import REPLACED
from claims.competition.prompts import CATEGORIES, ORDERS
from fixtures.attacks import Attack, attack
from referee.judging.evidence import Counterexample
from referee.judging.statistics import Estimate, proportion
from referee.judging.verdict import Verdict

NO_ATTACK = Attack(tried=0, counterexample=None)


@pytest.mark.parametrize(("turns", "expected"), [(BOTH, Verdict.REFUTED), (NEITHER, Verdict.SUPPORTED)])
def test_a_faulty_donor_that_turns_answers_refutes_its_control(turns, expected):
    """If a donor of the faulty format repairs, then the right pattern is not the cause of the repair."""
    layers = Layers(edited({REPLACED: turns}), {})

    found = finding_of(of_replacement.test_a_donor_of_the_faulty_format_does_little, layers=layers)

    assert found.verdict is expected


@pytest.mark.parametrize(("turns", "expected"), [(BOTH, Verdict.REFUTED), (NEITHER, Verdict.SUPPORTED)])
def test_other_tokens_that_turn_answers_refute_their_control(turns, expected):
    """If attention on other tokens repairs, then attention on the numbers is not the cause of the repair."""
    moved = Moves(edited({move_arm("odd", "other"): turns}))

    found = finding_of(of_moves.test_attention_moved_to_other_tokens_does_little, moves=moved)

    assert found.verdict is expected


def moved_in(table):
    return finding_of(
        of_moves.test_moving_odd_heads_from_format_to_numbers_repairs, moves=Moves(table), attack_on_bugs=NO_ATTACK
    )


def repair(real, placebo, even=NEITHER):
    arms = {move_arm("odd"): real, placebo_of(move_arm("odd")): placebo, move_arm("even"): even}
    return moved_in(edited(arms | {move_arm("odd", "other"): NEITHER}))


def test_a_repair_is_supported_when_its_placebo_does_nothing():
    """The edit repairs in both orders. The effect of even heads is reported and does not count against the claim."""
    assert repair(BOTH, NEITHER, even=BOTH).verdict is Verdict.SUPPORTED


def test_a_placebo_that_repairs_as_well_keeps_it_from_being_supported():
    """The estimate stays, and the reason names the placebo."""
    found = repair(BOTH, BOTH)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "p = 1.000 against as much attention moved between tokens that the claim does not name" in found.reason


def test_a_repair_in_one_order_only_is_not_supported():
    """The edit repairs nothing in the other order, which has enough pairs to show it."""
    idle = dict.fromkeys((placebo_of(move_arm("odd")), move_arm("even"), move_arm("odd", "other")), NEITHER)
    arms = {move_arm("odd"): FIRST_ONLY} | idle
    table = edited(arms).table
    some = table["pair"].isin(PAIRS[:10]) | (table["order"] == ORDERS[0])

    found = moved_in(Edited(table[some], SETTINGS, wrong_before=True))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert set(found.by_stratum) == set(ORDERS)


def test_the_counterexample_is_the_prompt_furthest_from_turning():
    """The text has the prompt, its margin and the edit."""
    wrong = edited({move_arm("odd"): NEITHER})
    wrong.table.loc[wrong.table["arm"] == move_arm("odd"), "margin_logits"] = np.linspace(-3, -1, 2 * len(PAIRS))

    assert str(wrong.unturned(move_arm("odd"))).startswith(
        f"Q&A with {PAIRS[0]}, bigger first: the margin is -3.00 with odd"
    )


def test_random_groups_are_compared_by_the_same_edit():
    """A random group with another edit is left out."""
    drawn = moves({"random group 1": (0,), "random group 2": (1,)})
    arms = dict(zip(drawn, (BOTH, NEITHER), strict=True)) | {"random group 1 heads, format tokens masked by 100%": BOTH}

    assert edited(arms).random_outcomes(move_arm("odd")) == [1.0, 0.0]


def test_parity_is_tested_among_groups_of_heads(llama):
    """Two of four heads have five other groups of the same size, so the smallest p is 1/6."""
    parity = Parity(llama, SETTINGS)

    world, *rest = parity.chance("even", parity.difference(np.array([1.0, 0.0, 1.0, 0.0])), sign=1)

    assert world.p == pytest.approx(1 / 6)
    assert world.veto
    assert rest[0].p is None
    assert "no test" in rest[0].world


def test_heads_without_a_value_are_left_out(llama):
    """A head without edges has no share of edges on numbers, so its value is NaN."""
    parity = Parity(llama, SETTINGS)

    statistic = parity.difference(np.array([1.0, 0.2, np.nan, 0.4]))

    assert statistic(parity.members([0, 2]))[0] == pytest.approx(0.7)


def test_an_attack_finds_the_smallest_counterexample():
    """The smallest number that is not below 17 is 17. Each case is measured only once."""
    asked = []

    def room(cases):
        asked.extend(cases)
        return [17.0 - case - 0.5 for case in cases]

    found = attack(
        st.integers(0, 1000), room, lambda case, left: Counterexample(f"{case} by {left}"), examples=50, seed=0
    )

    assert found.counterexample == Counterexample("17 by -0.5")
    assert found.tried == len(asked) == len(set(asked))


def test_an_attack_that_finds_nothing_says_how_much_it_tried():
    """If no case breaks the claim, the summary has the number of drawn cases."""
    found = attack(st.integers(0, 9), lambda cases: [1.0] * len(cases), str, examples=5, seed=0)

    assert found.counterexample is None
    assert f"Attacked with {found.tried} drawn cases: none breaks the claim." == found.summary
    assert found.tried >= 5


def test_cases_that_a_claim_is_silent_about_are_not_counted():
    """The claim does not apply to cases with infinite room, so they do not count as tried."""
    found = attack(st.integers(0, 9), lambda cases: [np.inf] * len(cases), str, examples=5, seed=0)

    assert (found.tried, found.counterexample) == (0, None)


def test_one_strength_of_the_mask_must_repair_most():
    """Prompts that turn at other strengths do not count. The interval includes the choice among four strengths."""
    arms = {mask_arm(group, s, kind): NEITHER for group in ("odd", "even") for s in MASKED for kind in CATEGORIES}
    wrong = edited(arms)
    for i, strength in enumerate(MASKED):
        here = (wrong.table["arm"] == mask_arm("odd", strength)) & wrong.table["pair"].isin(PAIRS[4 * i : 4 * i + 4])
        wrong.table.loc[here, "right"] = True
    masked = Masks(wrong)

    found = masked.hidden()["all"]

    assert found.value == 0.25
    assert masked.best_strength() == MASKED[0]
    assert found.high > proportion(4, 16).high


def test_rivals_are_parts_of_the_heads(llama):
    """With one key-value head, the "even key-value groups" contain all heads, so they are left out."""
    parity = Parity(replace(llama, n_kv_heads=1), SETTINGS)

    found = parity.chance("even", parity.difference(np.array([1.0, 0.0, 1.0, 0.0])), sign=1)

    assert not any(c.world.removeprefix("even ") == "key-value groups" for c in found)


def test_no_layer_to_compare_with_is_not_applicable():
    """A model of few layers has no layer three below or three above the layer of interest."""
    layers = Layers(edited({REPLACED: NEITHER}), {})

    found = finding_of(of_replacement.test_other_layers_do_little, layers=layers)

    assert found.verdict is Verdict.NOT_APPLICABLE
    assert "no layer three below or three above" in found.reason


def test_a_shift_below_the_instruments_resolution_is_none():
    """Rounding changes margins by up to 0.001 logits, so a shift of 0.0005 logits counts as zero."""
    wrong = edited({"edit": NEITHER})
    wrong.table.loc[wrong.table["arm"] == "edit", "margin_logits"] += 5e-4
    coarse = Edited(wrong.table, SETTINGS, wrong_before=True, resolution=1e-3)

    assert wrong.shift("edit")["all"].low > 0
    assert coarse.shift("edit")["all"] == Estimate(0.0, 0.0, 0.0, len(PAIRS))
