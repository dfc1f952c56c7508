from __future__ import annotations

from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.competition.head_subsets import measure as subsets
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
    from dataclasses import replace

    assert subsets.needed(llama) == 1
    assert subsets.needed(replace(llama, n_heads=9)) == 3
    assert subsets.needed(replace(llama, n_heads=32)) == 8


def successes(rule):
    rng = np.random.default_rng(0)
    rows = [
        (count, chosen, rule(chosen))
        for count in range(1, 9) for chosen in subsets.distinct_subsets(range(8), count, 20, rng)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["count", "heads", "right"])


def test_count_explains_what_is_a_matter_of_count():
    """The count explains all of the variance, and the heads add nothing."""
    found = subsets.explained(successes(lambda chosen: len(chosen) >= 4))

    assert found.by_count == pytest.approx(1)
    assert found.by_count_and_identity == pytest.approx(1)


def test_identity_explains_what_is_a_matter_of_one_head():
    """If only head 3 decides, the count explains a part of the variance, and count and heads explain all of it."""
    found = subsets.explained(successes(lambda chosen: 3 in chosen))

    assert found.by_count < 0.6
    assert found.by_count_and_identity == pytest.approx(1)


def test_nothing_is_explained_where_nothing_varies():
    """The explained share is NaN and not 1."""
    assert np.isnan(subsets.explained(successes(lambda chosen: True)).by_count)


def test_information_is_in_bits(llama):
    """The entropy of a row with n visible keys is at most log2(n) bits."""
    found = subsets.information(Session(llama), CASES)

    assert len(found) == len(CASES) * llama.n_heads
    assert found["entropy_bits"].between(0, np.log2(20)).all()
