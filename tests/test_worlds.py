"""Statistics on simulated data of known truth: coverage of intervals, and false positives of tests and of parts."""

from __future__ import annotations

import numpy as np
import pytest

from referee.judging import statistics
from referee.judging.verdict import Verdict, above, at_least, decide, decide_all, p_value

pytestmark = pytest.mark.slow
WORLDS = 1000


def heavy_tailed(rng, n):
    return rng.normal(size=n) * np.where(rng.random(n) < 0.1, 10, 1)


SHAPES = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "lognormal": (lambda rng, n: rng.lognormal(size=n), 1.0),
    "a tenth is ten times as large": (heavy_tailed, 0.0),
    "rounded to few values": (lambda rng, n: np.round(rng.normal(size=n)), 0.0),
    "two points": (lambda rng, n: (rng.random(n) < 0.6).astype(float), 1.0),
    "bimodal": (lambda rng, n: rng.choice([-1.0, 1.0], n) + rng.normal(0.2, 0.5, n), None),
}
"""Each shape with its median. None: the median is found by simulation."""


@pytest.mark.parametrize("n", [10, 17, 36, 60])
@pytest.mark.parametrize("shape", SHAPES)
def test_medians_are_covered_whatever_the_shape(shape, n):
    """At least 93 % of the intervals contain the median, and it is on either side of them in at most 5 %."""
    sample, truth = SHAPES[shape]
    rng = np.random.default_rng(2)
    truth = float(np.median(sample(rng, 400_001))) if truth is None else truth

    found = [statistics.median(sample(rng, n)) for _ in range(WORLDS)]

    below, above = np.mean([e.low > truth for e in found]), np.mean([e.high < truth for e in found])
    assert 1 - below - above >= 0.93
    assert max(below, above) <= 0.05


UNITS = {
    "each unit succeeds or fails": lambda rng, n: (rng.random((n, 1)) < 0.9).mean(1),
    "five trials a unit": lambda rng, n: (rng.random((n, 5)) < 0.9).mean(1),
    "units differ": lambda rng, n: (rng.random((n, 5)) < rng.beta(9, 1, (n, 1))).mean(1),
    "almost always": lambda rng, n: (rng.random((n, 2)) < 0.9).mean(1),
}


@pytest.mark.parametrize("n", [10, 36, 60])
@pytest.mark.parametrize("units", UNITS)
def test_shares_are_covered(units, n):
    """The true share is 0.9. It lies above or below the interval in at most 2.5 %, plus the binomial error."""
    rng = np.random.default_rng(3)

    found = [statistics.share(UNITS[units](rng, n), range(n)) for _ in range(WORLDS)]

    assert np.mean([e.low > 0.9 for e in found]) <= 0.025 + 0.01
    assert np.mean([e.high < 0.9 for e in found]) <= 0.025 + 0.01


def test_two_factors_are_covered():
    """Pairs and phrasings both vary. The interval of one factor alone would cover far less."""
    rng = np.random.default_rng(4)
    rows, columns = (places.ravel() for places in np.indices((20, 12)))
    covered = {"both": 0, "pairs alone": 0}
    for _ in range(WORLDS):
        values = (0.3 * rng.normal(size=(20, 1)) + rng.normal(size=12) + 0.3 * rng.normal(size=(20, 12))).ravel()
        for name, e in (
            ("both", statistics.crossed(values, rows, columns)),
            ("pairs alone", statistics.median(values, rows)),
        ):
            covered[name] += e.low <= 0 <= e.high

    assert covered["both"] >= 0.93 * WORLDS
    assert covered["pairs alone"] < 0.7 * WORLDS


def test_sixteen_parts_at_the_threshold_are_seldom_refuted():
    """Each share is exactly the required 0.9. One interval for each would refute more than one in ten."""
    rng = np.random.default_rng(5)
    simultaneous = alone = 0
    for _ in range(WORLDS // 2):
        parts = [statistics.proportion(int(rng.binomial(40, 0.9)), 40) for _ in range(16)]
        simultaneous += decide_all(at_least(0.9), parts) is Verdict.REFUTED
        alone += any(decide(at_least(0.9), part) is Verdict.REFUTED for part in parts)

    assert simultaneous <= 0.05 * WORLDS / 2
    assert alone > 0.1 * WORLDS / 2


@pytest.mark.parametrize(
    ("successes", "n", "threshold", "p"), [(10, 10, 0.5, 0.5**10), (36, 36, 0.9, 0.9**36), (8, 10, 0.5, 56 / 1024)]
)
def test_p_is_that_of_the_exact_test(successes, n, threshold, p):
    """P and interval come from the same method. A normal approximation gave 8e-13 for ten of ten against a half."""
    assert p_value(above(threshold), statistics.proportion(successes, n)) == pytest.approx(p, rel=1e-6)


def test_p_of_a_median_is_that_of_the_sign_test():
    """Of twelve values, eleven are positive."""
    values = [-1.0, *np.arange(1.0, 12.0)]

    assert p_value(above(0.0), statistics.median(values)) == pytest.approx(statistics.sign_test(values), rel=1e-6)


@pytest.mark.parametrize("geometry", [(9, 3), (32, 8)], ids=["9 heads", "32 heads"])
@pytest.mark.parametrize("balanced", [False, True])
def test_parity_tests_hold_their_level(geometry, balanced):
    """Heads that differ for other reasons than parity pass the test in at most 5.5 % of simulations."""
    n_heads, n_groups = geometry
    groups = [head * n_groups // n_heads for head in range(n_heads)]
    even = list(range(0, n_heads, 2))
    splits = statistics.group_splits(groups, even, balanced=balanced, seed=0, count=999)
    observed = np.isin(np.arange(n_heads), even)
    rng = np.random.default_rng(1)
    heads = rng.normal(size=(2 * WORLDS, n_heads)) + np.repeat(
        rng.normal(size=(2 * WORLDS, n_groups)), n_heads // n_groups, axis=1
    )

    p = [statistics.permutation_p(world[observed].mean(), splits @ world / splits.sum(1)) for world in heads]

    assert np.mean(np.asarray(p) <= 0.05) <= 0.055 + 0.005  # one binomial standard error of 2000 simulations


def test_true_effects_are_seldom_refuted_and_false_ones_seldom_supported():
    """A median just below the threshold is SUPPORTED in at most 2.5 % of simulations, plus the binomial error."""
    rng = np.random.default_rng(3)
    verdicts = [decide(above(0.0), statistics.median(rng.normal(loc=-0.001, size=30))) for _ in range(WORLDS)]

    assert np.mean([verdict is Verdict.SUPPORTED for verdict in verdicts]) <= 0.025 + 0.01
