"""Edits of single patterns and of batches."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_patterns import any_pattern, assert_pattern
from torch.utils._python_dispatch import TorchDispatchMode

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt, ask, pairs
from claims.induction.idle_attention.edits import FromFirstToken
from referee.attention import patterns
from referee.attention.edits import (
    Exchange,
    Flatten,
    InHeads,
    Keep,
    KnockOut,
    Mask,
    MatchedPlacebo,
    Move,
    Replace,
    SetShare,
    Silence,
    ToFirstKey,
    Together,
    TurnInward,
    edited,
    edited_pattern,
)
from referee.attention.unedited import Unedited
from referee.measuring import batches
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


def members(tokens, category):
    return torch.tensor([found == category for found in tokens.categories])


@pytest.mark.parametrize(
    "edit",
    [SetShare(0.3, "numerical"), Move(0.5, "format", "numerical"), Mask(1.0, "format"), Exchange(((0, 1), (1, 0)))],
)
def test_an_edit_in_some_heads_leaves_the_others_alone(tokens, own, edit):
    """The named heads have the edit's pattern, to the bit, and the other heads keep their own patterns."""
    found = edited_pattern(InHeads(edit, (0, 2)), tokens, own)

    assert torch.equal(found[[0, 2]], edited_pattern(edit, tokens, own)[[0, 2]])
    assert torch.equal(found[[1, 3]], own[[1, 3]])


def test_setting_a_share_sets_it_on_every_row_that_sees_a_number(tokens, own):
    """The share is exact for every pattern. Rows before the first number do not change."""
    found = edited_pattern(SetShare(0.3, "numerical"), tokens, own)

    numbers = members(tokens, "numerical")
    first = int(numbers.nonzero()[0])
    assert torch.allclose((found * numbers).sum(-1)[:, first:], torch.tensor(0.3), atol=1e-6)
    assert torch.equal(found[:, :first], own[:, :first])


def test_moving_gives_numbers_what_format_loses(tokens, own):
    """In each row, the numbers gain the mass that format tokens lose, and other tokens keep their mass."""
    found = edited_pattern(Move(0.5, "format", "numerical"), tokens, own)

    change = found - own
    lost, gained = ((change * members(tokens, c)).sum(-1) for c in ("format", "numerical"))
    assert torch.allclose(lost, -gained, atol=1e-6)
    assert torch.equal(found[..., members(tokens, "other")], own[..., members(tokens, "other")])


def test_exchanging_takes_the_pattern_as_it_was(tokens, own):
    """Two heads that take each other's patterns do not get the same pattern."""
    found = edited_pattern(Exchange(((0, 1), (1, 0))), tokens, own)

    assert torch.equal(found, own[[1, 0, 2, 3]])


def test_edits_together_are_one_after_the_other(tokens, own):
    """The second edit gets the pattern that the first one returns."""
    first, second = InHeads(SetShare(0.3, "numerical"), (0,)), InHeads(Mask(1.0, "format"), (0, 1))

    found = edited_pattern(Together((first, second)), tokens, own)

    assert torch.equal(found, edited_pattern(second, tokens, edited_pattern(first, tokens, own)))


def test_a_placebo_keeps_fixed_categories_and_moves_as_much(tokens, own):
    """Numbers and format tokens keep their mass. Each row moves what the edit moves, or less without enough mass."""
    edit, fixed = Move(0.2, "format", "numerical"), ("numerical", "format")

    found = edited_pattern(MatchedPlacebo(edit, fixed), tokens, own)

    wanted = patterns.moved(own, edited_pattern(edit, tokens, own))
    for category in fixed:
        assert torch.equal(found[..., members(tokens, category)], own[..., members(tokens, category)])
    assert (patterns.moved(own, found) <= wanted + 1e-6).all()
    assert patterns.moved(own, found).sum() > 0
    assert_pattern(found)


def test_shuffling_by_hand():
    """The free keys 0, 2 and 3 make the sets {0, 3} and {2}. The set with more mass gives, and the other receives."""
    row = torch.tensor([0.2, 0.3, 0.3, 0.2])
    pattern = torch.eye(4).index_put((torch.tensor([3]),), row)

    found = patterns.shuffle(pattern, torch.tensor([True, False, True, True]), torch.full((4,), 0.1))

    assert torch.allclose(found[3], torch.tensor([0.15, 0.3, 0.4, 0.15]))
    assert torch.equal(found[:2], pattern[:2])
    assert torch.allclose(found[2], torch.tensor([0.1, 0.0, 0.9, 0.0]))


@given(any_pattern(), st.integers(0, 2**31), st.floats(0, 1))
def test_shuffling_moves_the_amount_between_free_keys(pattern, seed, amount):
    """The result is a pattern, the other keys keep their mass, and the total variation is the amount or all there is.

    A row can always move half of its free mass, if it sees two free keys.
    """
    free = torch.rand(pattern.shape[-1], generator=torch.Generator().manual_seed(seed)) < 0.7
    length = pattern.shape[-1]

    found = patterns.shuffle(pattern, free, torch.full(pattern.shape[:-1], amount))

    assert_pattern(found)
    assert torch.equal(found[..., ~free], pattern[..., ~free])
    moved, mass = patterns.moved(pattern, found), (pattern * free).sum(-1)
    sees_two = (torch.ones(length, length).tril() * free).sum(-1) >= 2
    assert (moved <= amount + 1e-5).all()
    assert torch.equal(moved[:, ~sees_two], torch.zeros_like(moved[:, ~sees_two]))
    assert (moved >= torch.where(sees_two, (mass / 2).clamp_max(amount), 0) - 1e-5).all()


def test_knocking_out_removes_just_these_edges(tokens, own):
    """Head 2 loses its edge from row 5 to key 3, and the row is renormalised. No other row changes."""
    found = edited_pattern(KnockOut(((2, 5, 3),)), tokens, own)

    edges = torch.zeros_like(own, dtype=torch.bool)
    edges[2, 5, 3] = True
    assert torch.equal(found, patterns.knock_out(own, edges))
    assert found[2, 5, 3] == 0
    assert (found != own).nonzero()[:, :2].unique(dim=0).tolist() == [[2, 5]]


def test_a_batch_equals_its_edits_one_by_one(llama):
    """A batch has every type of edit, donors of two lengths, two prompts, and other amounts for each trial."""
    targets = [tokenize(Prompt(PAIRS[0], order, QA), llama.tokenizer) for order in ORDERS]
    donors = [tokenize(Prompt(PAIRS[0], ORDERS[0], format), llama.tokenizer) for format in (SIMPLE, QA)]
    edits = [
        *(Replace(donor, amount) for donor in donors for amount in (0.0, 0.3, 1.0)),
        Replace(donors[0], 0.7, "last row"),
        Replace(donors[0], 0.7, informed=False),
        InHeads(Replace(donors[0], 0.5), (1, 2)),
        *(InHeads(SetShare(share, "numerical"), heads) for share in (0.1, 0.9) for heads in ((0,), (1, 3), ())),
        Together((InHeads(SetShare(0.3, "numerical"), (0,)), Mask(0.4, "format"))),
        Together((Move(0.5, "format", "numerical"),)),
        MatchedPlacebo(SetShare(0.3, "numerical"), ("numerical",)),
        MatchedPlacebo(Mask(0.8, "format"), ("format", "answer")),
        Exchange(((0, 1), (1, 0))),
        Exchange(((3, 0),)),
        KnockOut(((2, 5, 3), (0, 4, 1))),
        KnockOut(((1, 6, 0),)),
        *(kind() for kind in (Keep, Flatten, TurnInward, ToFirstKey, Silence, FromFirstToken)),
    ]
    session = Session(llama)
    pattern_of = {t: session.patterns([t], Whole())[0][0] for t in (*targets, *donors)}
    longest = max(map(len, donors))
    prompts = [targets[i % 2] for i in range(len(edits))]
    donated = torch.zeros(len(edits), llama.n_heads, longest, longest)
    for trial, edit in zip(donated, edits, strict=True):
        if edit.donor:
            trial[:, : len(edit.donor), : len(edit.donor)] = pattern_of[edit.donor]

    own = torch.stack([pattern_of[prompt] for prompt in prompts])
    found = edited(edits, Unedited(prompts, own, [edit.donor for edit in edits], donated))

    for pattern, edit, prompt in zip(found, edits, prompts, strict=True):
        alone = edited_pattern(edit, prompt, pattern_of[prompt], edit.donor and pattern_of[edit.donor])
        assert torch.allclose(alone, pattern, atol=1e-7), edit
    # Five edits change nothing, on two prompts: those of amount 0, those in no head, and Keep.
    assert len({tuple(pattern.flatten().tolist()) for pattern in found}) == len(edits) - 3


def test_an_amount_outside_zero_to_one_is_refused(own, tokens):
    """The rows would not be probabilities."""
    with pytest.raises(ValueError, match=r"a share from 0 to 1; got 1\.5"):
        edited_pattern(SetShare(1.5, "numerical"), tokens, own)


class Counted(TorchDispatchMode):
    """Counts the operations that PyTorch dispatches."""

    operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operations += 1
        return func(*args, **(kwargs or {}))


def test_more_trials_need_no_more_operations(llama, monkeypatch):
    """A batch of 160 trials has as many operations as one of 40. So no step goes over the trials one by one."""
    monkeypatch.setitem(batches.TOKENS_AT_ONCE, "cpu", 100_000)
    session = Session(llama)
    prompts = [session.tokenize(prompt) for prompt in ask(PAIRS[:1], [QA])]

    def operations(amounts):
        trials = [
            Trial(tokens, {1: InHeads(edit, (0, 1))})
            for tokens in prompts
            for i in range(amounts)
            for edit in (Replace(prompts[0], i / amounts), SetShare(i / amounts, "numerical"))
        ]
        with Counted() as counted:
            session.margins(trials)
        return counted.operations

    operations(5)  # computes what later calls share

    assert operations(40) == operations(10)


def test_little_is_moved_to_the_device(llama, monkeypatch):
    """A batch of 800 edits sends indices, amounts and masks of prompts and heads to the device, and no pattern."""
    sent = []

    def counted(make):
        return lambda *given, **options: sent.append(make(*given, **options)) or sent[-1]

    targets = [tokenize(prompt, llama.tokenizer) for prompt in ask(pairs(20), [QA])]
    targets = [tokens for tokens in targets if len(tokens) == len(targets[0])]
    prompts = [targets[i % len(targets)] for i in range(800)]
    edits = [
        InHeads((SetShare(0.3, "numerical"), Mask(i / 800, "format"))[i % 2], (i % 4, (i + 1) % 4)) for i in range(800)
    ]
    own = torch.ones(800, llama.n_heads, len(targets[0]), len(targets[0])).tril()
    monkeypatch.setattr(torch, "tensor", counted(torch.tensor))
    monkeypatch.setattr(torch, "from_numpy", counted(torch.from_numpy))

    found = edited(edits, Unedited(prompts, own, [None] * 800, shared=True))

    assert found.shape == own.shape
    assert 0 < sum(tensor.nbytes for tensor in sent) < 100_000 < own.nbytes / 10


@dataclass(frozen=True)
class LosesAHead:
    donor = None

    @staticmethod
    def apply(edits, to):
        return to.own[:, 1:]


def test_an_edit_that_returns_another_shape_is_refused(own, tokens):
    """Without this check, the product with the values fails far away, or it is wrong."""
    with pytest.raises(ValueError, match=r"An edit must return patterns of the shape .* from LosesAHead.apply"):
        edited_pattern(LosesAHead(), tokens, own)
