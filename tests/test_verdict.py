from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from referee.judging.statistics import Estimate
from referee.judging.verdict import (
    Verdict,
    above,
    at_most,
    below,
    decide,
    decide_all,
    hardest,
    units_to_settle,
    what_would_settle,
    within,
)


def interval(low, high, n=20):
    return Estimate((low + high) / 2, low, high, n)


@pytest.mark.parametrize(
    ("criterion", "low", "high", "verdict"),
    [
        (above(0.4), 0.41, 0.5, "SUPPORTED"),
        (above(0.4), 0.3, 0.39, "REFUTED"),
        (above(0.4), 0.3, 0.4, "REFUTED"),
        (above(0.4), 0.39, 0.5, "INCONCLUSIVE"),
        (below(0.4), 0.3, 0.39, "SUPPORTED"),
        (below(0.4), 0.4, 0.5, "REFUTED"),
        (below(0.4), 0.3, 0.5, "INCONCLUSIVE"),
        (within(0.55, 0.65), 0.56, 0.64, "SUPPORTED"),
        (within(0.55, 0.65), 0.5, 0.6, "INCONCLUSIVE"),
        (within(0.55, 0.65), 0.2, 0.5, "REFUTED"),
        (within(0.55, 0.65), 0.7, 0.9, "REFUTED"),
        (within(0.55, 0.65), 0.5, 0.7, "INCONCLUSIVE"),
        (within(0.55, 0.65), 0.55, 0.65, "SUPPORTED"),
        (within(0.55, 0.65), 0.65, 0.7, "INCONCLUSIVE"),
        (at_most(0.1), 0.05, 0.1, "SUPPORTED"),
        (at_most(0.1), 0.11, 0.2, "REFUTED"),
        (below(0.1), 0.05, 0.1, "INCONCLUSIVE"),
    ],
)
def test_the_interval_decides(criterion, low, high, verdict):
    """An interval inside the range supports, one outside refutes, and one across a bound is inconclusive."""
    assert decide(criterion, interval(low, high)) == verdict


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.99))
def test_opposite_claims_are_never_both_supported(one, other, threshold):
    """An estimate that supports "above" refutes "below"."""
    estimate = interval(*sorted((one, other)))

    verdicts = (decide(above(threshold), estimate), decide(below(threshold), estimate))
    assert verdicts in {
        (Verdict.SUPPORTED, Verdict.REFUTED),
        (Verdict.REFUTED, Verdict.SUPPORTED),
        (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE),
        (Verdict.REFUTED, Verdict.INCONCLUSIVE),
        (Verdict.INCONCLUSIVE, Verdict.REFUTED),
        (Verdict.REFUTED, Verdict.REFUTED),
    }


def test_one_refuted_part_refutes_the_whole():
    """A claim over all formats needs every format."""
    good, bad, open_ = interval(0.5, 0.6), interval(0.1, 0.2), interval(0.3, 0.5)

    assert decide_all(above(0.4), [good, good]) == Verdict.SUPPORTED
    assert decide_all(above(0.4), [good, open_]) == Verdict.INCONCLUSIVE
    assert decide_all(above(0.4), [good, open_, bad]) == Verdict.REFUTED


def test_the_hardest_part_is_named():
    """The part with the worst verdict is the hardest. Between equal verdicts, the part closest to the bound is."""
    parts = {"good": interval(0.5, 0.6), "better": interval(0.7, 0.8)}

    assert hardest(above(0.4), parts) == "good"
    assert hardest(above(0.4), parts | {"open": interval(0.39, 0.7)}) == "open"
    assert hardest(above(0.4), parts | {"bad": interval(0.1, 0.2)}) == "bad"


def test_units_to_settle_by_hand():
    """If the half-width of the interval is twice the distance to the threshold, four times the pairs are needed."""
    assert units_to_settle(above(0.5), Estimate(0.75, 0.25, 1.25, 10)) == 40


@given(st.floats(0, 1), st.floats(0.001, 1), st.integers(2, 100))
def test_an_inconclusive_estimate_needs_more_pairs(value, reach, n):
    """If n pairs are inconclusive, at least n pairs are needed."""
    estimate = Estimate(value, value - reach, value + reach, n)
    assume(decide(above(0.5), estimate) is Verdict.INCONCLUSIVE)

    needed = units_to_settle(above(0.5), estimate)

    assert needed is None or needed >= n


def test_an_estimate_on_the_threshold_is_never_settled():
    """No number of pairs settles such an estimate."""
    assert units_to_settle(above(0.4), Estimate(0.4, 0.3, 0.5, 10)) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.75, "about 40 pairs would settle the interval"),
        (0.501, "1000 pairs would not settle the interval"),
        (0.5, "more pairs would not settle the interval"),
    ],
)
def test_the_number_of_units_is_printed_if_it_can_be_measured(value, text):
    assert what_would_settle(above(0.5), Estimate(value, value - 0.5, value + 0.5, 10), "pairs") == text


@pytest.mark.parametrize(
    ("criterion", "text"),
    [(above(0.4), "> 0.4"), (below(0.1), "< 0.1"), (at_most(0.1), "≤ 0.1"), (within(0.55, 0.65), "in [0.55, 0.65]")],
)
def test_a_criterion_reads_as_a_relation(criterion, text):
    """The terminal and the report show this text."""
    assert str(criterion) == text
