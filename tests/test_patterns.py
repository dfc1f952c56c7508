import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from referee.attention import patterns
from referee.prompts.tokens import Alignment

BY_HAND = torch.tensor([[1.0, 0.0, 0.0], [0.4, 0.6, 0.0], [0.2, 0.3, 0.5]])


@st.composite
def any_pattern(draw, length=None):
    """Draws a causal pattern, [head, query, key]. Its rows sum to one and are sharp or flat."""
    length = length or draw(st.integers(2, 8))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scores = torch.randn(2, length, length, generator=generator) * draw(st.sampled_from([0.1, 1.0, 30.0]))
    return scores.masked_fill(torch.ones(length, length).triu(1).bool(), -torch.inf).softmax(-1)


@st.composite
def any_alignment(draw):
    """Draws two lengths and an alignment of some of their positions, which keeps their order."""
    target, donor = draw(st.integers(2, 8)), draw(st.integers(2, 8))
    count = draw(st.integers(1, min(target, donor)))
    mine = sorted(draw(st.permutations(range(target)))[:count])
    theirs = sorted(draw(st.permutations(range(donor)))[:count])
    rows = draw(st.lists(st.sampled_from(mine), unique=True))
    return target, donor, Alignment(tuple(mine), tuple(theirs), tuple(rows))


def assert_pattern(found):
    assert torch.allclose(found.sum(-1), torch.ones(found.shape[:-1]), atol=1e-5)
    assert (found >= 0).all()
    assert (found.triu(1) == 0).all()


def test_share_by_hand():
    """Keys receive 1.6, 0.9 and 0.5 of the three rows' mass."""
    members = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    assert torch.allclose(patterns.share(BY_HAND, members), torch.tensor([1.6 / 3, 1.4 / 3]))


def test_share_of_the_last_row_by_hand():
    """Only the given rows count."""
    members = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    assert torch.allclose(patterns.share(BY_HAND[-1:], members), torch.tensor([0.2, 0.8]))


def test_uniform_by_hand():
    """Row q spreads its mass over q + 1 keys."""
    assert torch.equal(patterns.uniform(3), torch.tensor([[1, 0, 0], [1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]]))


def test_without_first_key_by_hand():
    """The mass on the other keys is renormalised."""
    expected = torch.tensor([[1.0, 0.0], [0.375, 0.625]])

    assert torch.allclose(patterns.without_first_key(BY_HAND), expected)


def test_without_first_key_leaves_an_empty_row_empty():
    """A row with all its mass on the first key has nothing to renormalise."""
    sink = torch.tensor([[1.0, 0.0], [1.0, 0.0]])

    assert torch.equal(patterns.without_first_key(sink), torch.zeros(1, 1))


def test_blend_by_hand():
    """The result has three quarters of the own pattern and one quarter of the other one."""
    other = torch.eye(3)

    found = patterns.blend(BY_HAND, other, 0.25)

    assert torch.allclose(found, torch.tensor([[1.0, 0, 0], [0.3, 0.7, 0], [0.15, 0.225, 0.625]]))


def transplanted(own, donor, alignment):
    return patterns.transplant(own, donor, *map(torch.tensor, alignment.counterparts(own.shape[-1])))


def test_transplant_by_hand():
    """Target rows 0 and 2 take donor rows 0 and 1. The key without a counterpart gets no mass."""
    donor = torch.tensor([[1.0, 0.0], [0.25, 0.75]])

    found = transplanted(BY_HAND, donor, Alignment((0, 2), (0, 1), rows=(0, 2)))

    assert torch.equal(found, torch.tensor([[1.0, 0, 0], [0.4, 0.6, 0], [0.25, 0, 0.75]]))


def test_transplant_renormalises_by_hand():
    """The donor's mass on keys without a counterpart (0.2 of row 2) is shared out among the rest."""
    found = transplanted(torch.eye(3), BY_HAND, Alignment((1, 2), (1, 2), rows=(2,)))

    assert torch.allclose(found, torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0.375, 0.625]]))


def test_transplant_keeps_rows_whose_donor_sees_no_counterpart():
    """A row stays the same if the donor has no mass on corresponding keys."""
    sink = torch.tensor([[1.0, 0.0], [1.0, 0.0]])

    assert torch.equal(transplanted(BY_HAND, sink, Alignment((2,), (1,), rows=(2,))), BY_HAND)


@given(st.data())
def test_transplant_makes_patterns(data):
    """The result is causal, its rows sum to one, and rows that are not named stay the same."""
    target, donor, alignment = data.draw(any_alignment())
    own, other = data.draw(any_pattern(target)), data.draw(any_pattern(donor))

    found = transplanted(own, other, alignment)

    assert_pattern(found)
    untouched = [row for row in range(target) if row not in alignment.rows]
    assert torch.equal(found[:, untouched], own[:, untouched])


@given(any_pattern())
def test_transplant_from_itself_changes_nothing(own):
    """The identity alignment of a pattern with itself gives the same pattern, up to renormalisation."""
    everywhere = tuple(range(own.shape[-1]))

    found = transplanted(own, own, Alignment(everywhere, everywhere, everywhere))

    assert torch.allclose(found, own, atol=1e-6)


@given(st.data(), st.integers(2, 8), st.floats(0, 1))
def test_blend_makes_patterns(data, length, amount):
    """A blend of two patterns is a pattern. At the amounts 0 and 1 it equals one of the two, to the bit."""
    own, other = data.draw(any_pattern(length)), data.draw(any_pattern(length))

    assert_pattern(patterns.blend(own, other, amount))
    assert torch.equal(patterns.blend(own, other, 0), own)
    assert torch.equal(patterns.blend(own, other, 1), other)


@pytest.mark.parametrize("amount", [-0.1, 1.1])
def test_blend_refuses_amounts_that_are_no_share(amount):
    """With an amount below 0 or above 1, the rows would not be probabilities."""
    with pytest.raises(ValueError, match="a share from 0 to 1"):
        patterns.blend(BY_HAND, BY_HAND, amount)


@given(any_pattern(), st.integers(0, 2**31))
def test_shares_sum_to_one(pattern, seed):
    """Each key has one class, so no mass is lost or counted twice."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(0, 3, (pattern.shape[-1],), generator=generator)

    shares = patterns.share(pattern, torch.nn.functional.one_hot(classes, 3))

    assert torch.allclose(shares.sum(-1), torch.ones(2), atol=1e-5)


def test_functions_leave_their_arguments_alone():
    """Trials share patterns, so an edit in place would change the next trial."""
    own, donor = BY_HAND.clone(), torch.eye(3)
    everywhere = Alignment((0, 1, 2), (0, 1, 2), (0, 1, 2))

    patterns.blend(own, donor, 0.5)
    transplanted(own, donor, everywhere)
    patterns.without_first_key(own)

    assert torch.equal(own, BY_HAND)
    assert torch.equal(donor, torch.eye(3))


NUMBER, FORMAT = torch.tensor([True, False, False]), torch.tensor([False, True, False])


def test_set_share_by_hand():
    """Rows 1 and 2 give a fifth to the first key, and the other keys keep their proportions. Row 0 sees one kind."""
    expected = torch.tensor([[1.0, 0, 0], [0.2, 0.8, 0], [0.2, 0.3, 0.5]])

    assert torch.allclose(patterns.set_share(BY_HAND, NUMBER, 0.2), expected)


def test_set_share_gives_to_keys_without_mass_evenly():
    """Every row that can see a member and another key gets the share, even if the members have no mass before."""
    sink = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0]])

    found = patterns.set_share(sink, torch.tensor([False, True, True]), 0.5)

    assert torch.allclose(found, torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0.5, 0.25, 0.25]]))


def test_move_by_hand():
    """Half of the second key's mass goes to the first."""
    expected = torch.tensor([[1.0, 0, 0], [0.7, 0.3, 0], [0.35, 0.15, 0.5]])

    assert torch.allclose(patterns.move(BY_HAND, FORMAT, NUMBER, 0.5), expected)


def test_mask_by_hand():
    """The second key loses its mass, and the rest of the row is scaled up."""
    expected = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0.2 / 0.7, 0, 0.5 / 0.7]])

    assert torch.allclose(patterns.mask(BY_HAND, FORMAT, 1.0), expected)


def test_knock_out_by_hand():
    """The last row loses one edge. A row whose only edge is removed keeps it."""
    edges = torch.zeros(3, 3, dtype=torch.bool)
    edges[2, 2] = edges[0, 0] = True

    found = patterns.knock_out(BY_HAND, edges)

    assert torch.allclose(found, torch.tensor([[1.0, 0, 0], [0.4, 0.6, 0], [0.4, 0.6, 0]]))


def test_entropy_by_hand():
    """Uniform attention to n keys has log2(n) bits. The result is the mean over rows."""
    even = patterns.uniform(4)

    assert patterns.entropy(even).item() == pytest.approx((0 + 1 + 1.5849625 + 2) / 4)
    assert patterns.entropy(torch.eye(3)).item() == 0


def test_similarity_by_hand():
    """A head has correlation 1 with itself, and 0 with a head whose edges are all equal.

    Zeros above the diagonal do not count.
    """
    one = torch.tensor([[1.0, 0.0], [0.2, 0.8]])
    other = torch.tensor([[1.0, 0.0], [0.8, 0.2]])

    found = patterns.similarity(torch.stack([one, other, torch.ones(2, 2).tril()]))

    expected = torch.corrcoef(torch.tensor([[1.0, 0.2, 0.8], [1.0, 0.8, 0.2]]))[0, 1]
    assert torch.allclose(found, torch.tensor([[1, expected, 0], [expected, 1, 0], [0, 0, 1]]), atol=1e-6)


@st.composite
def any_edit(draw):
    """Draws a pattern and one of the functions that move its mass between two kinds of keys, at any strength."""
    pattern, amount = draw(any_pattern()), draw(st.floats(0, 1))
    kinds = torch.tensor(
        draw(st.lists(st.integers(0, 2), min_size=pattern.shape[-1], max_size=pattern.shape[-1]))
    )  # fmt: skip
    first, second = kinds == 0, kinds == 1
    edits = {
        "set share": lambda: patterns.set_share(pattern, first, amount),
        "move": lambda: patterns.move(pattern, first, second, amount),
        "mask": lambda: patterns.mask(pattern, first, amount),
    }
    return pattern, first, second, amount, draw(st.sampled_from(list(edits))), edits


@given(any_edit())
def test_shifting_mass_makes_patterns(drawn):
    """For any keys and any strength, the result is causal and its rows sum to one."""
    _, _, _, _, name, edits = drawn

    assert_pattern(edits[name]())


@given(any_edit())
def test_set_share_is_exact_and_keeps_proportions(drawn):
    """Members have exactly the share in rows that see both kinds, and other rows do not change."""
    pattern, first, _, amount, _, edits = drawn

    found = edits["set share"]()

    causal = torch.ones(pattern.shape[-2:]).tril().bool()
    sees_both = (causal & first).any(-1) & (causal & ~first).any(-1)
    assert torch.allclose((found * first).sum(-1)[:, sees_both], torch.tensor(amount), atol=1e-5)
    assert torch.equal(found[:, ~sees_both], pattern[:, ~sees_both])
    assert torch.allclose(patterns.set_share(found, first, amount), found, atol=1e-5)


@given(any_edit())
def test_move_takes_from_the_source_alone(drawn):
    """In rows that see a target, the source keeps the share 1 - amount. Keys of neither kind keep their mass."""
    pattern, first, second, amount, _, edits = drawn

    found = edits["move"]()

    causal = torch.ones(pattern.shape[-2:]).tril().bool()
    sees = (causal & second).any(-1)
    assert torch.equal(found[..., ~first & ~second], pattern[..., ~first & ~second])
    assert torch.allclose((found * first)[:, sees], (pattern * first)[:, sees] * (1 - amount), atol=1e-6)


@given(any_pattern())
def test_doing_nothing_changes_no_bit(pattern):
    """An edit of strength 0, or of no edges, returns the same pattern."""
    members = torch.arange(pattern.shape[-1]) % 2 == 0

    assert torch.equal(patterns.mask(pattern, members, 0.0), pattern)
    assert torch.equal(patterns.move(pattern, members, ~members, 0.0), pattern)
    assert torch.equal(patterns.knock_out(pattern, torch.zeros_like(pattern).bool()), pattern)
