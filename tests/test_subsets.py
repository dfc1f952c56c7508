from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.competition.head_subsets import measure as subsets
from claims.competition.head_subsets.identity import explained, hints
from claims.competition.prompts import QA, SIMPLE, Case, Pair
from referee.attention.edits import InHeads, Replace
from referee.measuring.requests import Trial
from referee.measuring.session import Session

CASES = [Case(Pair("9.8", "9.11"), "bigger first"), Case(Pair("3.4", "3.25"), "bigger second")]


@given(st.integers(1, 10), st.integers(1, 10), st.integers(1, 60), st.integers(0, 2**31))
def test_subsets_are_distinct_and_exhaustive_where_few(n, count, limit, seed):
    """The result has all subsets, or as many as the limit. They are distinct, sorted and of the right size."""
    count = min(n, count)
    heads = list(range(0, 2 * n, 2))

    found = subsets.distinct_subsets(heads, count, limit, np.random.default_rng(seed))

    assert len(found) == len(set(found)) == min(limit, comb(n, count))
    assert all(len(set(chosen)) == count and list(chosen) == sorted(chosen) for chosen in found)
    assert {head for chosen in found for head in chosen} <= set(heads)


def test_a_subset_is_the_replacement_in_its_heads(llama):
    """The margin of a row is that of a trial of its own. New subsets are drawn for each case."""
    session = Session(llama)
    table = subsets.head_subsets(session, CASES, subsets.ODD, per_count=2)

    row = table[(table["count"] == 1) & (table["pair"] == str(CASES[1].pair))].iloc[0]
    target, donor = (session.tokenize(CASES[1].asked(format)) for format in (QA, SIMPLE))
    trial = Trial(target, {llama.layer: InHeads(Replace(donor, 1.0), row["heads"])})
    assert row["margin_logits"] == pytest.approx(Session(llama).margins([trial])["margin_logits"].item(), abs=1e-5)
    assert table.groupby(["pair", "count"]).size().to_dict() == {
        (str(case.pair), count): comb(2, count) for case in CASES for count in (1, 2)
    }


def test_half_of_the_even_heads_are_needed(llama):
    """Of 4 heads, 2 are even and 1 is needed. Of 9 heads, 5 are even and 3 are needed."""
    assert subsets.needed(llama) == 1
    assert subsets.needed(replace(llama, n_heads=9)) == 3
    assert subsets.needed(replace(llama, n_heads=32)) == 8


@pytest.mark.parametrize(
    ("heads", "cheap", "odd", "any_kind"),
    [
        (32, True, [4, 8, 16], [4, 8, 32]),
        (32, False, [1, 2, 3, 4, 5, 6, 7, 8, 16], [1, 2, 3, 4, 5, 6, 7, 8, 16, 32]),
        (9, False, [1, 2, 3, 4], [1, 2, 3, 6, 9]),
        (2, True, [1], [1, 2]),
    ],
)
def test_the_controls_have_the_required_number_of_heads(llama, heads, cheap, odd, any_kind):
    """The numbers of heads are distinct and no larger than the population."""
    found = subsets.control_counts(replace(llama, n_heads=heads), cheap=cheap)

    assert found == {subsets.ODD: odd, subsets.ANY: any_kind}


def test_subsets_are_replaced_at_the_given_layer(llama):
    """The default is the layer of interest."""
    session = Session(llama)
    here, there, elsewhere = (
        subsets.head_subsets(session, CASES, subsets.ANY, counts=[4], layer=layer)["margin_logits"].tolist()
        for layer in (None, llama.layer, 0)
    )

    assert here == there != elsewhere


def successes(rule):
    rng = np.random.default_rng(0)
    rows = [
        (pair, count, chosen, rule(chosen))
        for pair in "abcd" for count in range(1, 9) for chosen in subsets.distinct_subsets(range(8), count, 20, rng)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["pair", "count", "heads", "right"])


def test_count_explains_what_is_a_matter_of_count():
    """The count explains all of the variance, and the heads add nothing."""
    found = explained(successes(lambda chosen: len(chosen) >= 4))

    assert found.by_count == pytest.approx(1)
    assert found.by_count_and_identity == pytest.approx(1)
    assert (found.low, found.high, found.n) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9), 4)


def test_identity_explains_what_is_a_matter_of_one_head():
    """If only head 3 decides, the count explains a part of the variance, and count and heads explain all of it."""
    found = explained(successes(lambda chosen: 3 in chosen))

    assert found.by_count < 0.6
    assert found.by_count_and_identity == pytest.approx(1)
    assert 0.4 < found.low < found.gain < found.high


def test_the_sums_give_ordinary_least_squares():
    """The reference computes the adjusted R² from the residuals of a fit with numpy."""
    rng = np.random.default_rng(0)
    table = successes(lambda chosen: rng.random() < 0.1 * len(chosen) + 0.2 * (3 in chosen))
    y = table["right"].to_numpy(float)
    counts = pd.get_dummies(table["count"]).to_numpy(float)
    x = np.hstack([counts, [[head in heads for head in range(8)] for heads in table["heads"]]])

    def adjusted(x):
        coefficients, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
        residual = ((y - x @ coefficients) ** 2).sum() / (len(y) - rank)
        return 1 - residual / y.var(ddof=1)

    found = explained(table)
    assert (found.by_count, found.by_count_and_identity) == pytest.approx((adjusted(counts), adjusted(x)))


@pytest.mark.slow
def test_the_interval_of_the_gain_covers_it():
    """Success depends on the number of heads and on head 3. The truth is the mean over many tables."""
    rng = np.random.default_rng(0)

    def world():
        rows = [(pair, 1 + i % 8, tuple(sorted(rng.choice(8, 1 + i % 8, replace=False).tolist())))
                for pair in range(30) for i in range(8)]  # fmt: skip
        table = pd.DataFrame(rows, columns=["pair", "count", "heads"])
        chance = 0.1 * table["count"] + 0.2 * table["heads"].map(lambda heads: 3 in heads)
        return explained(table.assign(right=rng.random(len(table)) < chance))

    worlds = [world() for _ in range(150)]

    truth = np.mean([found.gain for found in worlds])
    assert np.mean([found.low <= truth <= found.high for found in worlds]) >= 0.90


def test_nothing_is_explained_where_nothing_varies():
    """The explained share is NaN and not 1."""
    assert np.isnan(explained(successes(lambda chosen: True)).by_count)


def test_hints_compare_subsets_of_the_given_sizes():
    """Two of the four heads are ≡ 0 mod 4, and no head is head 12."""
    rows = [("a", 2, (0, 4), True), ("b", 2, (0, 2), False), ("c", 2, (0, 6), False), ("a", 1, (0,), True)]
    table = pd.DataFrame(rows, columns=["pair", "count", "heads", "right"])

    (found,) = hints(table, [2])

    assert found.startswith(
        "Subsets of 2 even heads that repair, by the number of their heads ≡ 0 mod 4:"
        " 1: 0% [0%, 84%] (n = 2); 2: 100% [2%, 100%] (n = 1)."
    )
    table = table.assign(heads=[(0, 12), (0, 8), (0, 4), (0,)])
    assert "with: 100% [2%, 100%] (n = 1); without: 0% [0%, 84%] (n = 2)" in hints(table, [2])[0]


def test_information_is_in_bits(llama):
    """The entropy of a row with n visible keys is at most log2(n) bits."""
    found = subsets.information(Session(llama), CASES)

    assert len(found) == len(CASES) * llama.n_heads
    assert found["entropy_bits"].between(0, np.log2(20)).all()
