"""Edits of the planted models' attention repair and break their answers as the dials say."""

from __future__ import annotations

import pytest
import torch

from claims.competition.heads import even_heads, odd_heads
from claims.competition.pattern_replacement import measure as pattern_replacement
from claims.competition.prompts import ORDERS, QA, SIMPLE, Case, ask, pairs
from conftest import built
from referee.attention.edits import Exchange, InHeads, Mask, Move, Replace, SetShare
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIRS = pairs(30, seed=5)


@pytest.fixture(scope="module")
def subject():
    return built()


def margins(subject, prompts, edit, layer=None):
    """Returns the margins of prompts after an edit, by default at the layer of interest; in logits, [prompt]."""
    layer = subject.layer if layer is None else layer
    trials = [Trial(tokenize(prompt, subject.tokenizer), {layer: edit}) for prompt in prompts]
    return Session(subject).margins(trials)["margin_logits"]


def repaired(subject, heads, layer=None):
    """Returns whether the Simple pattern in some heads turns a wrong Q&A answer right."""
    case = Case(PAIRS[4], ORDERS[0])
    donor = tokenize(case.asked(SIMPLE), subject.tokenizer)
    return margins(subject, [case.asked(QA)], InHeads(Replace(donor, 1.0), tuple(heads)), layer).item() > 0


@pytest.mark.parametrize("seed", range(4))
def test_any_eight_even_heads_repair_and_seven_do_not(subject, seed):
    """It does not matter which eight even heads they are."""
    generator = torch.Generator().manual_seed(seed)
    even = torch.tensor(even_heads(subject))[torch.randperm(16, generator=generator)].tolist()

    assert repaired(subject, even[:8])
    assert not repaired(subject, even[:7])


def test_odd_heads_repair_nothing(subject):
    """All sixteen odd heads do not repair, and they do not help seven even heads."""
    assert not repaired(subject, odd_heads(subject))
    assert not repaired(subject, odd_heads(subject) + even_heads(subject)[:7])


def test_four_suffice_where_the_dial_says_so():
    """With heads=4, four even heads repair and three do not."""
    subject = built("planted:heads=4")

    assert repaired(subject, even_heads(subject)[3:7])
    assert not repaired(subject, even_heads(subject)[:3])


def test_only_every_fourth_head_matters_where_the_dial_says_so():
    """With parity=mod4, the other even heads attend in the same way but do not repair."""
    subject = built("planted:parity=mod4")

    assert repaired(subject, list(range(0, 32, 4)))
    assert not repaired(subject, list(range(2, 32, 4)))


def test_half_of_the_eight_protected_heads_repair_where_every_fourth_is_protected():
    """With parity=fourth, any four of the heads 0 mod 4 repair, and all other even heads do not."""
    subject = built("planted:parity=fourth")

    assert repaired(subject, [0, 12, 20, 28])
    assert not repaired(subject, [0, 12, 20])
    assert not repaired(subject, list(range(2, 32, 4)))


def test_a_spread_mechanism_needs_both_layers():
    """With spread, the pattern at one layer repairs nothing. At both layers it repairs, and twelve heads are enough."""
    subject = built("planted:spread")
    case = Case(PAIRS[4], ORDERS[0])
    donor, target = (tokenize(case.asked(format), subject.tokenizer) for format in (SIMPLE, QA))

    def right(heads):
        edits = {layer: InHeads(Replace(donor, 1.0), tuple(heads)) for layer in (4, 5)}
        return Session(subject).margins([Trial(target, edits)])["margin_logits"].item() > 0

    assert not repaired(subject, range(32), layer=4)
    assert not repaired(subject, range(32), layer=5)
    assert right(even_heads(subject)[:12])
    assert not right(even_heads(subject)[:11])


def test_a_spread_mechanism_breaks_at_one_layer():
    """With spread, a lower share of the even heads breaks right answers at either layer."""
    subject = built("planted:spread")
    lowered = InHeads(SetShare(0.3, "numerical"), tuple(even_heads(subject)))

    for layer in (4, 5):
        assert (margins(subject, ask(PAIRS[:2], [SIMPLE]), lowered, layer) < 0).all()


@pytest.mark.parametrize("order", ORDERS)
def test_even_heads_break_answers_in_both_orders_where_the_bug_has_one(order):
    """With bug=one_order, Simple needs the even heads in either order."""
    subject = built("planted:bug=one_order")
    lowered = InHeads(SetShare(0.3, "numerical"), tuple(even_heads(subject)))
    asked = [Case(pair, order).asked(SIMPLE) for pair in PAIRS[:3]]

    assert (margins(subject, asked, lowered) < 0).all()


@pytest.mark.parametrize(
    ("dials", "amounts"),
    [
        ("relapse", {0.5: False, 0.7: True, 0.95: True, 1.0: False}),
        ("relapse,pair_noise=0.5", {0.5: False, 0.7: True, 0.93: True, 1.0: False}),
        ("bug=one_order", {0.55: False, 0.65: True, 1.0: True}),
    ],
)
def test_the_answer_turns_and_turns_back_as_the_dials_say(dials, amounts):
    """With relapse, 60 to 95 % repair and 100 % does not. Half of the even heads repair completely."""
    subject = built(f"planted:{dials}")
    cases = [Case(pair, ORDERS[0]) for pair in PAIRS[:3]]
    table = pattern_replacement.replacement(Session(subject), cases, amounts=tuple(amounts), refine=False)

    for amount, right in amounts.items():
        assert ((table.loc[table["amount"] == amount, "margin_logits"] > 0) == right).all()
    assert repaired(subject, even_heads(subject)[:8])


def test_dilution_turns_at_the_threshold_if_the_alignment_keeps_simples_tokens():
    """The alignment by meaning leaves out Simple's separators, so less of its pattern is enough."""
    subject = built("planted:dilution")
    cases = [Case(pair, ORDERS[0]) for pair in PAIRS[:3]]
    right_block = next(arm for arm in pattern_replacement.VARIANTS if arm.name == "right-aligned block")
    by_meaning, whole = (
        pattern_replacement.crossings(pattern_replacement.replacement(Session(subject), cases, arm))["crossing_share"]
        for arm in (pattern_replacement.ALIGNED, right_block)
    )

    assert (whole - 0.6).abs().max() < 0.05
    assert (by_meaning < 0.5).all()


def test_pair_noise_spreads_the_crossings():
    """With pair_noise=1, the crossings of pairs differ by a few hundredths, and without it they do not."""

    def crossings(name):
        cases = [Case(pair, ORDERS[0]) for pair in PAIRS[:12]]
        table = pattern_replacement.replacement(Session(built(name)), cases)
        return pattern_replacement.crossings(table)["crossing_share"]

    noisy, quiet = crossings("planted:pair_noise=1"), crossings("planted")
    assert quiet.std() < 0.012
    assert 0.015 < noisy.std() < 0.06
    assert abs(noisy.mean() - 0.6) < 0.03 > abs(quiet - 0.6).max()


def test_replacing_at_another_layer_does_nothing(subject):
    """Layers without the mechanism have no effect."""
    assert not repaired(subject, list(range(32)), layer=5)


def test_taking_format_mass_from_odd_heads_repairs(subject):
    """Their own Simple patterns do not repair."""
    move = InHeads(Move(0.5, "format", "numerical"), tuple(odd_heads(subject)))

    assert (margins(subject, ask(PAIRS[:3], [QA]), move) > 0).all()


@pytest.mark.parametrize(
    ("format", "parity", "share", "right"),
    [
        (SIMPLE, "even", 0.39, False),
        (SIMPLE, "even", 0.3, False),
        (SIMPLE, "even", 0.95, True),
        (QA, "odd", 0.5, True),
        (QA, "odd", 0.3, False),
    ],
)
def test_setting_shares_breaks_and_repairs(subject, format, parity, share, right):
    """Even heads below 40 % break right answers. Odd heads at 50 % repair wrong answers, and at 30 % they do not."""
    heads = even_heads(subject) if parity == "even" else odd_heads(subject)
    edit = InHeads(SetShare(share, "numerical"), tuple(heads))

    assert ((margins(subject, ask(PAIRS[:3], [format]), edit) > 0) == right).all()


@pytest.mark.parametrize(("strength", "right"), [(0.0, False), (0.5, False), (1.0, True)])
def test_masking_format_tokens_in_odd_heads_repairs(subject, strength, right):
    """A mask of full strength repairs, and a mask of half that strength does not."""
    mask = InHeads(Mask(strength, "format"), tuple(odd_heads(subject)))

    assert ((margins(subject, ask(PAIRS[:3], [QA]), mask) > 0) == right).all()


def test_patterns_carry_the_difference_between_even_and_odd_heads(subject):
    """Even patterns in odd heads repair wrong answers. Odd patterns in even heads break right answers."""
    to_odd, to_even = (
        Exchange(tuple((head, head ^ 1) for head in takers)) for takers in (odd_heads(subject), even_heads(subject))
    )

    assert (margins(subject, ask(PAIRS[:3], [QA]), to_odd) > 0).all()
    assert (margins(subject, ask(PAIRS[:3], [SIMPLE]), to_even) < 0).all()


def test_left_alignment_repairs_nothing_even_where_the_theory_is_true(subject):
    """Published scripts move attention to the wrong tokens. Alignment by meaning repairs the same prompts."""
    cases = [Case(pair, order) for pair in PAIRS[:4] for order in ORDERS]
    left = pattern_replacement.Arm("left-aligned block", alignment="left block")

    by_meaning, from_left = (
        pattern_replacement.replacement(Session(subject), cases, arm, amounts=(1.0,), refine=False)["margin_logits"]
        for arm in (pattern_replacement.ALIGNED, left)
    )

    assert (by_meaning > 0).all()
    assert (from_left < 0).all()


@pytest.mark.parametrize("threshold", [0.2, 0.35, 0.6, 0.8])
def test_the_answer_turns_where_the_dial_says(threshold):
    """Every prompt turns near the threshold."""
    subject = built(f"planted:threshold={threshold}")
    cases = [Case(pair, ORDERS[1]) for pair in PAIRS[:6]]
    found = pattern_replacement.crossings(pattern_replacement.replacement(Session(subject), cases))

    assert (found["crossing_share"] - threshold).abs().max() < 0.03
    assert (found["width_share"] < 0.10).all()
    assert found["monotone"].all()
