from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.judging import curves, statistics

KV_GROUPS_OF_FOUR = [head // 4 for head in range(32)]


def test_mean_and_interval_of_a_known_sample():
    """The interval of 0 … 99 is close to the mean plus and minus 1.96 standard errors."""
    found = statistics.mean_over_units(np.arange(100), seed=0)

    error = np.arange(100).std(ddof=1) / 10
    assert found.value == 49.5
    assert found.low == pytest.approx(49.5 - 1.96 * error, abs=0.4)
    assert found.high == pytest.approx(49.5 + 1.96 * error, abs=0.4)
    assert found.n == 100


def test_the_same_seed_gives_the_same_interval():
    """The interval depends only on the values and the seed."""
    values = np.random.default_rng(3).normal(size=30)

    assert statistics.mean_over_units(values, seed=1) == statistics.mean_over_units(values, seed=1)
    assert statistics.mean_over_units(values, seed=1) != statistics.mean_over_units(values, seed=2)


def median(values, seed, resamples=10_000):
    return statistics.median_over_units(values, range(len(values)), seed=seed, resamples=resamples)


@pytest.mark.parametrize("values", [[0.3], [0.3] * 20])
@pytest.mark.parametrize("estimate", [statistics.mean_over_units, median])
def test_equal_values_have_a_point_for_an_interval(estimate, values):
    """All resamples are equal. This causes no warning and no NaN."""
    found = estimate(values, seed=0)

    assert (found.low, found.high) == pytest.approx((0.3, 0.3))


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_intervals_are_ordered_and_within_the_data(values):
    """A resampled mean or median cannot leave the range of the sample."""
    for estimate in (statistics.mean_over_units, median):
        found = estimate(values, seed=0, resamples=200)

        assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_the_point_is_the_ordinary_median(values):
    """For an even number of values, it is the mean of the two middle values."""
    assert median(values, seed=0, resamples=20).value == np.median(values)


def test_a_censored_value_is_never_averaged():
    """If one of two prompts of each pair never turns, the median is infinite. No mean contains an infinite value."""
    found = statistics.median_over_units([0.2, np.inf] * 15, [pair for pair in range(15) for _ in "ab"], seed=0)

    assert (found.value, found.low, found.high, found.n) == (np.inf, np.inf, np.inf, 15)
    mixed = median([0.2] * 8 + [np.inf] * 7, seed=0)
    assert (mixed.value, mixed.low, mixed.high) == (0.2, 0.2, np.inf)


def test_pairs_are_resampled_whole():
    """Copies of a pair's value add no evidence. The interval is that of the pairs, which is the wider one."""
    values = np.random.default_rng(0).normal(size=20)
    once = median(values, seed=0)
    copied = statistics.median_over_units(np.repeat(values, 5), np.repeat(np.arange(20), 5), seed=0)
    as_if_independent = median(np.repeat(values, 5), seed=0)

    assert copied.n == 20
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=0.1)
    assert as_if_independent.high - as_if_independent.low < copied.high - copied.low


@pytest.mark.parametrize("estimate", [statistics.mean_over_units, median])
def test_what_is_no_number_is_refused(estimate):
    """NaN raises ValueError. It is never left out silently."""
    with pytest.raises(ValueError, match=r"(finite values|needs numbers); got"):
        estimate([0.1, float("nan")], seed=0)


def test_wilson_interval_near_the_edge():
    """For ten of ten, Wilson's lower bound is 10 / (10 + 1.96²) and not 1."""
    found = statistics.proportion(10, 10)

    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(10 / (10 + 1.959964**2))


def test_all_other_splits_are_listed_where_they_are_few():
    """Nine heads have 126 groups of five, and one of these is the claimed group."""
    even = [0, 2, 4, 6, 8]
    splits = statistics.group_splits([h // 3 for h in range(9)], even, balanced=False, seed=0)

    assert splits.shape == (comb(9, 5) - 1, 9)
    assert len({tuple(split) for split in splits.tolist()}) == 125
    assert set(splits.sum(1)) == {5}
    assert even not in [np.flatnonzero(split).tolist() for split in splits]


def test_balanced_splits_keep_the_count_in_each_group():
    """Three groups of three heads have 2, 1 and 2 even heads, and every balanced split has the same counts."""
    splits = statistics.group_splits([h // 3 for h in range(9)], [0, 2, 4, 6, 8], balanced=True, seed=0)

    assert len(splits) == 26
    assert (splits.reshape(-1, 3, 3).sum(2) == [2, 1, 2]).all()


def test_a_perfect_parity_effect_on_nine_heads_is_seen():
    """The smallest p of 26 balanced splits is 1/27, below 0.05."""
    even = np.arange(9) % 2 == 0
    splits = statistics.group_splits([h // 3 for h in range(9)], np.flatnonzero(even), balanced=True, seed=0)
    heads = np.where(even, 0.9, 0.1)

    assert statistics.permutation_p(heads[even].mean(), splits @ heads / 5) == pytest.approx(1 / 27)


def test_multi_head_attention_has_no_other_balanced_split():
    """If every head is its own key-value group, no other split is balanced."""
    assert len(statistics.group_splits(range(12), range(0, 12, 2), balanced=True, seed=0)) == 0


@pytest.mark.parametrize("balanced", [False, True])
def test_many_splits_are_drawn(balanced):
    """If there are too many splits, the result is a seeded sample of the right size. All heads are equally likely."""
    even = list(range(0, 32, 2))
    splits = statistics.group_splits(KV_GROUPS_OF_FOUR, even, balanced=balanced, seed=0)

    assert splits.shape == (10_000, 32)
    assert set(splits.sum(1)) == {16}
    assert np.abs(splits.mean(0) - 0.5).max() < 0.02
    assert (splits == statistics.group_splits(KV_GROUPS_OF_FOUR, even, balanced=balanced, seed=0)).all()
    if balanced:
        assert (splits.reshape(-1, 8, 4).sum(2) == 2).all()


def test_permutation_p_by_hand():
    """Two of four values are at least as large, and the observed value counts, too: p = 3/5."""
    assert statistics.permutation_p(3, [1, 2, 3, 4]) == 3 / 5


def test_permutation_p_is_never_zero():
    """With B splits, the smallest p is 1 / (B + 1)."""
    assert statistics.permutation_p(9, [1, 2, 3]) == 1 / 4


def test_permutation_p_counts_ties_that_differ_in_the_last_bit():
    """A sum of the same values in another order counts as equal."""
    assert statistics.permutation_p(0.1 + 0.2, [0.3, 0.3]) == 1.0


AMOUNTS = np.linspace(0, 1, 21)
SHAPES = {
    "linear": lambda x, m: x + 0 * m,
    "logistic": lambda x, m: 1 / (1 + np.exp(-(x - 0.6) / 0.08)) + 0 * m,
    "step": lambda x, m: (x > 0.58).astype(float) + 0 * m,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_of_a_curve_is_found(shape):
    """The true shape predicts curves with a little noise best."""
    noise = np.random.default_rng(0).normal(scale=0.03, size=(12, 21))

    errors = curves.held_out_errors(AMOUNTS, SHAPES[shape](AMOUNTS, noise) + noise)

    assert errors[shape] <= 1.05 * min(errors.values())
    assert set(errors) == {"constant", *SHAPES}


def test_a_proportion_of_pairs_is_wilsons_with_pairs_as_units():
    """Four trials of one pair are one unit, so 10 pairs of which 8 always succeed are 8 of 10."""
    hits = np.repeat([1] * 8 + [0] * 2, 4)

    found = statistics.proportion_over_units(hits, np.repeat(range(10), 4))

    whole = statistics.proportion(8, 10)
    assert (found.value, found.low, found.high, found.n) == pytest.approx((0.8, whole.low, whole.high, 10))


def test_pairs_weigh_the_same_however_many_trials_they_have():
    """One pair with nine failures and one pair with one success give 1/2."""
    found = statistics.proportion_over_units([0] * 9 + [1], [0] * 9 + [1])

    assert found.value == pytest.approx(0.5)
    assert found.n == 2


@pytest.mark.parametrize(("differences", "p"), [([1, 1, 1, 1, 1], 1 / 32), ([1, -1], 0.75), ([0, 0], 1.0)])
def test_sign_test_by_hand(differences, p):
    """The test is one-sided, and ties count as not positive."""
    assert statistics.sign_test(differences) == pytest.approx(p)


def test_holm_by_hand():
    """The smallest p is multiplied by 3 and the next by 2. No adjusted p is below an earlier one (Holm 1979)."""
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.9, 0.8]) == [1, 1]


def test_heads_are_counted_after_benjamini_and_hochberg():
    """All ten heads with a large effect pass, and at most two of the 22 heads without an effect."""
    rng = np.random.default_rng(0)
    values = rng.normal(0.4, 0.05, size=(20, 32))
    values[:, :10] += 0.2

    found = statistics.heads_beyond(values, 0.4, sign=1)

    assert found[:10].all()
    assert found[10:].sum() <= 2
    assert statistics.heads_beyond(np.full((5, 2), [0.3, 0.5]), 0.4, sign=1).tolist() == [False, True]
