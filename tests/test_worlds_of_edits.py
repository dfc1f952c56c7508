"""Verdicts of the claims about edits on simulated tables of known truth. No model is needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from by_hand import SETTINGS, finding_of

from claims.competition.attention_moves import test_attention_moves as of_moves
from claims.competition.attention_moves.evidence import Moves
from claims.competition.attention_moves.measure import move_arm
from claims.competition.compared import Compared, InOtherHeads
from claims.competition.edited import Edited, Elsewhere
from claims.competition.format_masking import test_format_masking as of_masks
from claims.competition.format_masking.evidence import Masks
from claims.competition.format_masking.measure import MASKED, WHOLLY, mask_arm
from claims.competition.heads import BALANCED, RANDOM
from claims.competition.interventions import UNEDITED, placebo_of
from claims.competition.prompts import ORDERS
from claims.competition.share_manipulation import test_share_manipulation as of_shares
from claims.competition.share_manipulation.evidence import Breaking, Manipulation
from claims.competition.share_manipulation.measure import share_arm
from claims.competition.theory import BUG_SET_MINIMUM, EVEN_TARGETS, ODD_SHARE
from fixtures.attacks import Attack
from referee.judging.verdict import Verdict

PAIRS = [f"9.{big} > 9.{big - 1}1" for big in range(2, 10)] + [f"8.{big} > 8.{big - 1}1" for big in range(2, 10)]
CASES = [(pair, order) for pair in PAIRS for order in ORDERS]
FIRST = [(pair, ORDERS[0]) for pair in PAIRS]
RIVALS = ("heads 0 mod 4", "heads 1 mod 4", "first half of the heads", "heads of even key-value groups")
GROUPS = [f"{kind} {i + 1}" for kind in (RANDOM, BALANCED) for i in range(39)] + list(RIVALS)
NO_ATTACK = Attack(tried=0, counterexample=None)
After = float | np.ndarray


def edited(after: dict[str, After], *, wrong=True, cases=CASES, resolution=0.0) -> Edited:
    """Returns the margins after each arm, one for all cases or one for each. Unedited they are −1, or 1 if right."""
    before = -1.0 if wrong else 1.0
    rows = [
        (pair, order, "Q&A", arm, margin, margin > 0, "right" if margin > 0 else "wrong")
        for arm, margins in ({UNEDITED: before} | after).items()
        for (pair, order), margin in zip(cases, np.broadcast_to(margins, len(cases)), strict=True)
    ]
    columns = ["pair", "order", "format", "arm", "margin_logits", "right", "top_answer"]
    return Edited(pd.DataFrame(rows, columns=columns), SETTINGS, wrong_before=wrong, resolution=resolution)


def in_others(arm: Callable[[str], str], named: str, own: After, others: dict[str, After], *, wrong=True):
    """Returns an edit in the named heads and in all groups, on one prompt of each pair. `others` are by group."""
    cases = [(pair, ORDERS[i % 2]) for i, pair in enumerate(PAIRS)]
    after = {arm(named): own} | {arm(group): others[group] for group in GROUPS}
    return InOtherHeads(edited(after, wrong=wrong, cases=cases), arm(named))


def everywhere(margin: After) -> dict[str, After]:
    return dict.fromkeys(GROUPS, margin)


def moved(own=1.0, placebo=-1.0, others=None, cases=CASES):
    """Returns the findings on 5.1 and 5.1b. The numbers are margins after the edits; `others` are by group."""
    arm = move_arm("odd")
    after = {arm: own, placebo_of(arm): placebo, move_arm("even"): 1.0, move_arm("odd", "other"): -1.0}
    moves = Moves(edited(after, cases=cases), in_others(move_arm, "odd", 1.0, others or everywhere(-1.0)))
    return (
        finding_of(of_moves.test_moving_odd_heads_from_format_to_numbers_repairs, moves=moves,
                   attack_on_bugs=NO_ATTACK),
        finding_of(of_moves.test_moving_odd_heads_repairs_more_than_moving_other_heads, moves=moves),
    )  # fmt: skip


def lowered(own=-1.0, placebo=1.0, others=None, share=0.6):
    """Returns the findings on 1.2a and 1.2c. `share` is the unedited share of the even heads, for all or by case."""

    def arm(group):
        return share_arm(group, max(EVEN_TARGETS))

    after = {share_arm("even", target): own for target in EVEN_TARGETS}
    after |= {share_arm("odd", target): 1.0 for target in EVEN_TARGETS}
    after |= {placebo_of(share_arm("even", target)): placebo for target in EVEN_TARGETS}
    shares = {
        (*case, "Q&A"): float(s) for case, s in zip(CASES, np.broadcast_to(share, len(CASES)), strict=True)
    }  # fmt: skip
    breaking = Breaking(
        edited(after, wrong=False),
        EVEN_TARGETS,
        shares_before={0: shares},
        fewest=BUG_SET_MINIMUM,
        in_other_heads=in_others(arm, "even", -1.0, others or everywhere(1.0), wrong=False),
    )
    manipulation = Manipulation(breaking, None, threshold=0.5)
    return (
        finding_of(of_shares.test_lowering_the_even_heads_share_breaks_right_answers, manipulation=manipulation),
        finding_of(
            of_shares.test_a_lower_share_breaks_more_in_even_heads_than_in_others,
            manipulation=manipulation,
        ),
    )


def raised(placebo=-1.0, others=None):
    """Returns the findings on 1.2b and 1.2d."""

    def arm(group):
        return share_arm(group, ODD_SHARE)

    after = {arm("odd"): 1.0, arm("even"): 1.0, placebo_of(arm("odd")): placebo}
    after |= {share_arm(group, 0.3): -1.0 for group in ("odd", "even")}
    compared = Compared(edited(after), arm("odd"), arm("even"), in_others(arm, "odd", 1.0, others or everywhere(-1.0)))
    manipulation = Manipulation(None, compared, threshold=0.5)
    return (
        finding_of(of_shares.test_raising_the_odd_heads_share_turns_wrong_answers_right, manipulation=manipulation),
        finding_of(
            of_shares.test_a_higher_share_helps_more_in_odd_heads_than_in_others,
            manipulation=manipulation,
        ),
    )


def masked(placebo=-1.0, others=None):
    """Returns the findings on 5.2 and 5.2b."""

    def arm(group):
        return mask_arm(group, WHOLLY)

    after = {mask_arm(group, s): 1.0 if s == WHOLLY else -1.0 for group in ("odd", "even") for s in MASKED}
    after |= {mask_arm("odd", s, "other"): -1.0 for s in MASKED}
    after |= {placebo_of(mask_arm("odd", s)): placebo for s in MASKED}
    masks = Masks(edited(after), in_others(arm, "odd", 1.0, others or everywhere(-1.0)))
    return (
        finding_of(of_masks.test_masking_format_tokens_in_odd_heads_repairs, masks=masks),
        finding_of(of_masks.test_masking_format_tokens_repairs_more_in_odd_heads, masks=masks),
    )


REPAIRS = {"raised": raised, "moved": moved, "masked": masked}


def test_where_every_edit_breaks_every_answer_nothing_is_shown():
    """World: any edit of any heads turns right answers wrong. The placebo vetoes 1.2a, and 1.2c is false."""
    plain, more = lowered(placebo=-1.0, others=everywhere(-1.0))

    assert plain.verdict is Verdict.INCONCLUSIVE
    assert "as much attention moved between tokens that the claim does not name" in plain.reason
    assert more.verdict is Verdict.REFUTED


@pytest.mark.parametrize("repair", REPAIRS)
def test_where_any_heads_repair_the_named_ones_are_not_special(repair):
    """World: the edit repairs in even, odd and random heads alike, and its placebo does nothing."""
    plain, more = REPAIRS[repair](others=everywhere(1.0))

    assert (plain.verdict, more.verdict) == (Verdict.SUPPORTED, Verdict.REFUTED)


@pytest.mark.parametrize("repair", REPAIRS)
def test_where_the_theory_is_true_both_are_supported(repair):
    """World: only the named heads repair."""
    plain, more = REPAIRS[repair]()

    assert (plain.verdict, more.verdict) == (Verdict.SUPPORTED, Verdict.SUPPORTED)


@pytest.mark.parametrize("repair", REPAIRS)
def test_where_the_placebo_repairs_as_well_neither_is_supported(repair):
    """World: moving attention between any tokens of the named heads repairs."""
    plain, more = REPAIRS[repair](placebo=1.0)

    assert (plain.verdict, more.verdict) == (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)


def test_lowering_is_supported_where_the_theory_is_true():
    """World: right answers break when the share of the even heads is lowered, and only then."""
    plain, more = lowered()

    assert (plain.verdict, more.verdict) == (Verdict.SUPPORTED, Verdict.SUPPORTED)


@pytest.mark.parametrize("kind", [RANDOM, BALANCED])
def test_a_tenth_of_random_groups_as_good_is_a_veto(kind):
    """World: three random groups of one kind do as much as the named heads, so p = 4/40 = 0.1."""
    others = everywhere(-1.0) | {f"{kind} {i}": 1.0 for i in (1, 2, 3)}

    _, more = moved(others=others)

    assert more.verdict is Verdict.INCONCLUSIVE
    assert "p = 0.100 against 39 other groups of as many heads" in more.reason


@pytest.mark.parametrize("rival", RIVALS)
def test_a_rival_that_does_as_much_explains_the_finding(rival):
    """World: the effect comes from another grouping of the heads."""
    _, more = moved(others=everywhere(-1.0) | {rival: 1.0})

    assert more.verdict is Verdict.INCONCLUSIVE
    assert more.reason == f"a rival explains it as well: {rival}"


def test_a_rival_that_does_less_explains_nothing():
    """World: part of the named heads does part of the work."""
    _, more = moved(others=everywhere(-1.0) | {"heads 1 mod 4": 0.0})

    assert more.verdict is Verdict.SUPPORTED


def test_differences_below_the_resolution_are_none():
    """World: the named heads move the margin by 0.0005 logits more, which float32 cannot distinguish from nothing."""
    arms = {move_arm("odd"): 1.0005} | {move_arm(group): 1.0 for group in GROUPS}
    others = InOtherHeads(edited(arms, resolution=1e-3), move_arm("odd"))

    assert (others.more()["all"].low, others.more()["all"].high) == (0.0, 0.0)
    assert all(world.explains for world in others.against() if world.world in RIVALS)


def test_a_bug_in_one_order_is_repaired_and_the_order_is_named():
    """World: all pairs have the bug in one order only, and the edit repairs all of them."""
    found, _ = moved(cases=FIRST)

    assert found.verdict is Verdict.SUPPORTED
    assert any(f"The verdict is about prompts with the {ORDERS[0]}" in note for note in found.evidence.notes)


def test_one_failure_in_the_other_order_does_not_veto():
    """World: 16 of 16 prompts turn in one order, and the only prompt in the other order does not."""
    own = np.array([1.0] * len(PAIRS) + [-1.0])

    found, _ = moved(own=own, cases=[*FIRST, (PAIRS[0], ORDERS[1])])

    assert found.verdict is Verdict.SUPPORTED


def test_an_order_that_excludes_the_claim_is_a_veto():
    """World: all of 16 pairs turn in one order, and none of 10 in the other order."""
    cases = [*FIRST, *((pair, ORDERS[1]) for pair in PAIRS[:10])]
    own = np.array([1.0] * len(FIRST) + [-1.0] * 10)

    found, _ = moved(own=own, cases=cases)

    assert found.verdict is not Verdict.SUPPORTED


def test_the_rank_of_the_layer_is_known_if_all_layers_are_measured():
    """The by-layer values are the shares that turn. With some layers missing, they are chance worlds instead."""
    arm = move_arm("odd")
    here, there = edited({arm: 1.0, placebo_of(arm): -1.0, move_arm("even"): 1.0}), edited({arm: -1.0})

    every = Compared(here, arm, move_arm("even"), elsewhere=Elsewhere(1, {0: there, 2: there}, complete=True))
    some = Compared(here, arm, move_arm("even"), elsewhere=Elsewhere(1, {0: there}))

    assert every.by_layer() == {0: 0.0, 1: 1.0, 2: 0.0}
    assert not any("at layer" in world.world for world in every.against())
    assert some.by_layer() == {}
    assert [world.value for world in some.against() if world.world == "the same at layer 0"] == [0.0]


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_named_heads_that_are_like_any_others_are_seldom_supported(spread):
    """In at most 5 % of 60 worlds, plus the binomial error. Groups differ by `spread`, and prompts have noise."""
    rng = np.random.default_rng(0)
    supported = 0
    for _ in range(60):
        noise = {group: rng.normal(scale=spread) + rng.normal(size=len(PAIRS)) for group in ("odd", *GROUPS)}
        after = {move_arm(group): found for group, found in noise.items()}
        cases = [(pair, ORDERS[i % 2]) for i, pair in enumerate(PAIRS)]
        idle = {move_arm("odd"): 1.0, placebo_of(move_arm("odd")): -1.0, move_arm("even"): 1.0}
        moves = Moves(edited(idle), InOtherHeads(edited(after, cases=cases), move_arm("odd")))
        found = finding_of(of_moves.test_moving_odd_heads_repairs_more_than_moving_other_heads, moves=moves)
        supported += found.verdict is Verdict.SUPPORTED

    assert supported <= 3 + 3


def test_a_comparison_within_the_noise_is_measured_again():
    """Named heads must differ by more than the noise from random groups and from each rival, in both orders."""

    def beyond(others):
        return in_others(move_arm, "odd", 1.0, others).differs_by_more_than(0.1)

    in_one_order = np.array([-1.0, 0.95] * (len(PAIRS) // 2))

    assert beyond(everywhere(-1.0))
    assert not beyond(everywhere(0.95))
    assert not beyond(everywhere(-1.0) | {RIVALS[0]: 0.95})
    assert not beyond(everywhere(in_one_order))
