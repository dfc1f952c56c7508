from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from referee.judging import curves, statistics

KV_GROUPS_OF_FOUR = [head // 4 for head in range(32)]


def test_the_interval_of_a_median_by_hand():
    """Of ten values, the second and the ninth enclose the median with 97.9 %. The third and the eighth have 89 %."""
    found = statistics.median(range(10))

    assert (found.value, found.low, found.high, found.n) == (4.5, 1, 8, 10)
    assert found.interval(0.06) == (2, 7)
    assert found.interval(0.0005) == (-np.inf, np.inf)


def test_with_few_values_no_interval_covers():
    """Five values enclose the median with 94 %. The report shows their range, and no verdict comes from it."""
    found = statistics.median([1, 2, 3, 4, 5])

    assert (found.low, found.high) == (1, 5)
    assert found.interval(statistics.TAIL) == (-np.inf, np.inf)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_the_median_and_its_interval_are_within_the_data(values):
    """The point is the ordinary median, and the limits are values of the sample."""
    found = statistics.median(values)

    assert found.value == pytest.approx(np.median(values))
    assert min(values) <= found.low <= found.high <= max(values)


@pytest.mark.parametrize("values", [[0.3], [0.3] * 20])
def test_equal_values_have_a_point_for_an_interval(values):
    """Twenty equal values are evidence about the median. The number of values decides whether it is enough."""
    found = statistics.median(values)

    assert (found.low, found.high, found.tied) == (0.3, 0.3, False)


def test_an_interval_without_width_is_tied_if_some_value_differs():
    """Of ten values, nine are equal. The equal ones may be so by chance."""
    assert statistics.median([0.0] * 9 + [-1.0]).tied


def test_values_within_the_resolution_are_zero():
    """Rounding errors of either sign are no differences."""
    found = statistics.median([1e-9, -1e-9] * 10, resolution=1e-6)

    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_censored_value_is_never_averaged():
    """If one of two prompts of each pair never turns, the median is infinite. No mean contains an infinite value."""
    found = statistics.median([0.2, np.inf] * 15, [pair for pair in range(15) for _ in "ab"])

    assert (found.value, found.low, found.high, found.n) == (np.inf, np.inf, np.inf, 15)
    mixed = statistics.median([0.2] * 8 + [np.inf] * 7)
    assert (mixed.value, mixed.low, mixed.high) == (0.2, 0.2, np.inf)


def test_copies_of_a_unit_add_no_evidence():
    """Five equal trials of each unit give the estimate of the units."""
    values = np.random.default_rng(0).normal(size=20)

    once, copied = statistics.median(values), statistics.median(np.repeat(values, 5), np.repeat(np.arange(20), 5))

    assert (copied.value, copied.low, copied.high, copied.n) == pytest.approx((once.value, once.low, once.high, once.n))


def test_what_is_no_number_is_refused():
    """NaN raises ValueError. It is never left out silently. A share must be from 0 to 1."""
    with pytest.raises(ValueError, match="needs numbers; got"):
        statistics.median([0.1, float("nan")])
    with pytest.raises(ValueError, match="from 0 to 1; got"):
        statistics.share([0.1, float("nan")], range(2))


@pytest.mark.parametrize(("successes", "n"), [(10, 10), (0, 10), (36, 36), (3, 17)])
def test_the_exact_interval_inverts_the_binomial_test(successes, n):
    """At the lower limit, so many successes or more have the probability 2.5 %. At the upper limit, so few have it."""
    found = statistics.proportion(successes, n)

    if successes:
        assert stats.binom.sf(successes - 1, n, found.low) == pytest.approx(0.025)
    if successes < n:
        assert stats.binom.cdf(successes, n, found.high) == pytest.approx(0.025)


def test_a_share_of_units_is_the_exact_one():
    """Four equal trials of one unit are one unit, so 10 units of which 8 always succeed are 8 of 10."""
    found = statistics.share(np.repeat([1] * 8 + [0] * 2, 4), np.repeat(range(10), 4))

    whole = statistics.proportion(8, 10)
    assert (found.value, found.low, found.high, found.n) == (0.8, whole.low, whole.high, 10)


def test_units_weigh_the_same_however_many_trials_they_have():
    """One unit with nine failures and one unit with one success give 1/2."""
    found = statistics.share([0] * 9 + [1], [0] * 9 + [1])

    assert (found.value, found.n) == (0.5, 2)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=2, max_size=40))
def test_the_betting_interval_encloses_the_mean_and_widens_with_the_level(values):
    """The limits are shares. A smaller tail gives a wider interval."""
    found = statistics.share(values, range(len(values)))
    low, high = found.interval(0.001)

    assert 0 <= low <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= high <= 1


def test_two_factors_add_in_quadrature():
    """Values that vary with the row and with the column: each interval alone is narrower than that of both."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 1)) + rng.normal(size=(1, 20))
    rows, columns = (places.ravel() for places in np.indices(values.shape))

    both = statistics.crossed(values.ravel(), rows, columns)

    widths = [e.high - e.low for e in (statistics.median(values.ravel(), f) for f in (rows, columns))]
    assert both.high - both.low > max(widths)
    assert both.n == 20


def test_rows_that_belong_to_one_column_are_no_second_factor():
    """Each phrasing has its own pairs, so the interval over phrasings is enough."""
    values, columns = np.arange(20.0), np.repeat(range(10), 2)

    assert statistics.crossed(values, range(20), columns) == statistics.median(values, columns)


@pytest.mark.parametrize(("better", "worse", "p"), [(5, 0, 1 / 32), (0, 0, 1.0), (1, 1, 0.75)])
def test_mcnemar_by_hand(better, worse, p):
    """Only the units that differ count. Each sign has the probability ½ under the null."""
    assert statistics.mcnemar(better, worse) == pytest.approx(p)


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
