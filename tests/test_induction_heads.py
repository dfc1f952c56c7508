"""The choice of heads, other sets of heads, and the edits of the theory of induction heads."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
import torch
from induction_by_hand import halves, pattern_of

from claims.induction.copying import measure as of_copying
from claims.induction.head_scores.measure import SCORES
from claims.induction.heads import by_layer, in_heads, other_sets, strongest
from claims.induction.idle_attention import measure as of_idle
from claims.induction.idle_attention.edits import FromFirstToken
from claims.induction.named import Named
from claims.induction.sequences import START
from referee.attention import patterns
from referee.attention.edits import MatchedPlacebo, Silence, ToFirstKey, edited_pattern
from referee.judging.evidence import NotApplicable


def scores_of(levels):
    """Returns a table of head scores in two sequences, from levels [layer, head] by score."""
    shape = np.shape(next(iter(levels.values())))
    index = pd.MultiIndex.from_product([range(2), *map(range, shape)], names=["sequence", "layer", "head"])
    spread = np.array([-0.05, 0.05])[:, None, None]
    columns = {name: (np.broadcast_to(levels.get(name, 0.0), shape) + spread).ravel() for name in SCORES}
    return pd.DataFrame(columns, index=index).reset_index()


def test_the_top_heads_are_one_percent():
    """Of 300 heads they are three, of 150 to 249 two, and of few heads one."""
    for shape, count in (((30, 10), 3), ((30, 8), 2), ((2, 2), 1), ((1, 1), 1)):
        scores = scores_of({"prefix_matching": np.arange(np.prod(shape)).reshape(shape) / 1000})
        top = Named.on(scores).top
        assert top == tuple((shape[0] - 1, shape[1] - 1 - i) for i in range(count))


def test_equal_scores_are_in_the_order_of_layer_and_head():
    """Rounding errors do not decide."""
    rng = np.random.default_rng(0)
    levels = 0.5 + 1e-9 * rng.normal(size=(30, 10))

    assert Named.on(scores_of({"prefix_matching": levels})).top == ((0, 0), (0, 1), (0, 2))
    assert strongest(
        pd.Series({(1, 0): 0.2, (0, 3): 0.2, (0, 1): 0.2, (2, 2): 0.3}).rename_axis(["layer", "head"]), 3
    ) == (
        (2, 2),
        (0, 1),
        (0, 3),
    )


def test_previous_token_heads_are_below_the_lowest_top_head():
    """They are as many as the top heads, or all heads of these layers."""
    matching, previous = np.zeros((30, 10)), np.tile(np.arange(10) / 100, (30, 1))
    matching[[5, 8, 9], [1, 1, 1]] = 0.9
    previous[[0, 4, 5, 20], [3, 2, 0, 0]] = 0.5, 0.8, 0.9, 0.9

    named = Named.on(scores_of({"prefix_matching": matching, "previous_token": previous}))
    assert (named.top, named.previous) == (((5, 1), (8, 1), (9, 1)), ((4, 2), (0, 3), (0, 9)))

    narrow = np.zeros((100, 2))
    narrow[[1, 5], 0] = 0.9
    assert Named.on(scores_of({"prefix_matching": narrow})).previous == ((0, 0), (0, 1))


def test_a_top_head_in_layer_0_has_no_previous_token_heads():
    """Then claim I4 does not apply."""
    matching = np.zeros((30, 10))
    matching[0, 4] = 0.9
    named = Named.on(scores_of({"prefix_matching": matching}))

    assert named.previous == ()
    with pytest.raises(NotApplicable, match="a top head is in layer 0"):
        named.require_previous()


def test_resting_heads_are_in_the_layers_from_2_on():
    """They are all heads with more than 0.3, the strongest first. Without one, claim S2 does not apply."""
    first = np.full((5, 3), 0.3)
    first[[0, 1, 2, 4], [0, 0, 2, 1]] = 0.9, 0.9, 0.4, 0.8

    assert Named.on(scores_of({"first_token": first})).resting == ((4, 1), (2, 2))
    none = Named.on(scores_of({"first_token": first[:2]}))
    assert none.resting == ()
    with pytest.raises(NotApplicable, match=r"no head of layers 2 and higher gives more than 0\.3"):
        none.require_resting()


def test_few_other_sets_are_all_listed():
    """One head of six in one layer, and two of five in another: 5 · 3 sets, none with a named head."""
    named = ((1, 2), (3, 0), (3, 4))

    found = other_sets(named, 5, count=20, seed=0)

    expected = {((1, a), *((3, b) for b in pair)) for a in (0, 1, 3, 4) for pair in combinations((1, 2, 3), 2)}
    assert set(found.sets) == expected
    assert found.existing == len(found.sets) == 4 * 3


def test_many_other_sets_are_drawn():
    """They are different, have the layers of the named heads, and contain none of them. The seed decides."""
    named = ((1, 2), (3, 0), (3, 7))

    found, again, other = (other_sets(named, 9, count=43, seed=seed) for seed in (0, 0, 1))

    assert found == again
    assert found.sets != other.sets
    assert len(set(found.sets)) == 43
    assert found.existing == 8 * comb(7, 2)
    for heads in found.sets:
        assert [layer for layer, _ in heads] == [1, 3, 3]
        assert len(set(heads)) == 3
        assert not set(heads) & set(named)


def test_every_other_head_is_drawn_equally_often():
    """With one named head of nine, each of the other heads is in about an eighth of the sets of two layers."""
    drawn = [heads for seed in range(40) for heads in other_sets(((0, 4), (1, 4)), 9, count=20, seed=seed).sets]

    counts = np.bincount([head for (_, head), _ in drawn], minlength=9)
    assert counts[4] == 0
    assert counts[counts > 0].min() > 0.7 * len(drawn) / 8


def test_a_layer_without_other_heads_has_no_other_set():
    """A set needs as many other heads as there are named heads in the layer."""
    assert other_sets(((0, 0),), 1, count=43, seed=0).sets == ()
    assert other_sets(((0, 0), (0, 1)), 3, count=43, seed=0).existing == 0


def test_heads_are_edited_in_their_layers():
    """One edit for each layer, in the heads of this layer."""
    edits = in_heads(Silence(), ((5, 1), (2, 3), (5, 0)))

    assert by_layer(((5, 1), (2, 3), (5, 0))) == {2: (3,), 5: (0, 1)}
    assert {layer: (edit.edit, edit.heads) for layer, edit in edits.items()} == {
        2: (Silence(), (3,)),
        5: (Silence(), (0, 1)),
    }


def random_pattern(tokens, seed=0):
    torch.manual_seed(seed)
    length = len(tokens)
    scores = 2 * torch.randn(3, length, length) + 3 * (torch.arange(length) == 0) * torch.randn(3, length, 1)
    return scores.masked_fill(torch.ones(length, length).triu(1).bool(), -torch.inf).softmax(-1)


@pytest.mark.parametrize("bos", [True, False])
def test_attention_moves_from_the_first_token_by_hand(llama, bos):
    """The last row has 0.6 on the first token and 0.4 on three others. It moves 0.2, a third to each of them."""
    tokens = halves(llama, bos=bos)
    own = pattern_of([[1], [0.9, 0.1], [0.2, 0.5, 0.3], [0.6, 0.1, 0.3, 0.0], *[[1]] * (2 + bos)])[0]

    edited = edited_pattern(FromFirstToken(), tokens, own)[0]

    assert torch.equal(edited[:2], own[0, :2])
    torch.testing.assert_close(edited[2, :3], torch.tensor([0.0, 0.6, 0.4]))
    torch.testing.assert_close(edited[3, :4], torch.tensor([0.4, 0.1 + 0.2 / 3, 0.3 + 0.2 / 3, 0.2 / 3]))
    assert torch.equal(edited[4:], own[0, 4:])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bos", [True, False])
def test_the_placebo_moves_as_much_and_leaves_the_first_token(llama, bos, seed):
    """Rows still sum to one, and no token attends to a later one. The total variation of each row is equal."""
    tokens = halves(llama, bos=bos)
    own = random_pattern(tokens, seed)

    edited = edited_pattern(FromFirstToken(), tokens, own)
    placebo = edited_pattern(MatchedPlacebo(FromFirstToken(), fixed=(START,)), tokens, own)

    for found in (edited, placebo):
        torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:2]))
        assert found.min() >= 0
        assert found.triu(1).abs().max() == 0
    torch.testing.assert_close(patterns.moved(own, edited), patterns.moved(own, placebo))
    torch.testing.assert_close(placebo[..., 0], own[..., 0])
    amount = torch.minimum(own[:, 2:, 0], (1 - own[:, 2:, 0]) / 2)
    torch.testing.assert_close(own[:, 2:, 0] - edited[:, 2:, 0], amount)


def test_the_arms_of_moved_attention():
    """Both moves are made in all resting heads at once. The placebo fixes the first token."""
    arms = of_idle.moves(((4, 1), (2, 2)))

    assert {arm: sorted(edits) for arm, edits in arms.items()} == {
        "moved from the first token": [2, 4],
        "moved between the other tokens": [2, 4],
    }
    assert [edits[4].edit for edits in arms.values()] == [
        FromFirstToken(),
        MatchedPlacebo(FromFirstToken(), fixed=(START,)),
    ]


def test_knocked_out_heads_attend_to_the_first_token():
    """The top heads are knocked out, or silent. Other heads are knocked out in the same way."""
    arms = of_copying.knock_outs(((1, 0),), ((0, 1),))
    others = other_sets(((1, 0),), 3, count=9, seed=0).knock_outs()

    assert [(layer, edit.edit, edit.heads) for edits in arms.values() for layer, edit in edits.items()] == [
        (1, ToFirstKey(), (0,)),
        (1, Silence(), (0,)),
        (0, ToFirstKey(), (1,)),
    ]
    assert {
        name: [(layer, edit.edit, edit.heads) for layer, edit in edits.items()] for name, edits in others.items()
    } == {
        "set 1": [(1, ToFirstKey(), (1,))],
        "set 2": [(1, ToFirstKey(), (2,))],
    }
