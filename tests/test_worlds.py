"""Statistics on simulated data of known truth: coverage of intervals, false positives of permutation tests, bias."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from claims.competition.pattern_replacement import measure as thresholds
from referee.judging import curves, statistics
from referee.judging.verdict import Verdict, above, decide

pytestmark = pytest.mark.slow
WORLDS = 1000


def median_of_pairs(values, *, seed, resamples):
    return statistics.median_over_units(values, range(len(values)), seed=seed, resamples=resamples)


DRAWS = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0, 0.0),
    "shares": (lambda rng, n: rng.beta(2, 5, size=n), 2 / 7, 0.26444998),
    "uniform": (lambda rng, n: rng.uniform(size=n), 0.5, 0.5),
}


@pytest.mark.parametrize(
    ("statistic", "n"), [("mean", 20), ("mean", 60), ("median", 10), ("median", 15), ("median", 60)]
)
@pytest.mark.parametrize("draw", DRAWS)
def test_intervals_cover_what_they_promise(statistic, draw, n):
    """Of three thousand 95 % intervals, 93 to 97 % contain the truth (binomial error 0.4 %)."""
    sample, mean, median = DRAWS[draw]
    estimate = {"mean": statistics.mean_over_units, "median": median_of_pairs}[statistic]
    truth = {"mean": mean, "median": median}[statistic]
    rng = np.random.default_rng(2)

    found = [estimate(sample(rng, n), seed=i, resamples=499) for i in range(3 * WORLDS)]

    covered = np.mean([e.low <= truth <= e.high for e in found])
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("p", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [20, 60])
def test_wilson_intervals_cover(p, n):
    """The coverage is a mean over values near p, because the coverage of a discrete interval jumps with p."""
    rng = np.random.default_rng(0)
    truths = np.clip(p + rng.uniform(-0.02, 0.02, size=2 * WORLDS), 0.001, 0.999)

    found = [(statistics.proportion(int(rng.binomial(n, truth)), n), truth) for truth in truths]

    assert np.mean([e.low <= truth <= e.high for e, truth in found]) >= 0.93


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
    """A mean just below the threshold is SUPPORTED in at most 2.5 % of simulations, plus the binomial error."""
    rng = np.random.default_rng(3)
    verdicts = [
        decide(above(0.0), statistics.mean_over_units(rng.normal(loc=-0.001, size=30), seed=i, resamples=999))
        for i in range(WORLDS)
    ]

    assert np.mean([verdict is Verdict.SUPPORTED for verdict in verdicts]) <= 0.025 + 0.01


def logistic_curves(rng, crossing, width, pairs=15, noise=0.02):
    """Returns margins (logits) by amount of replacement, with a known median crossing, as a table of the experiment."""
    rows = []
    for pair, own in enumerate(crossing + rng.normal(scale=0.05, size=pairs)):
        margin = np.tanh((np.asarray(thresholds.COARSE) - own) / width) + rng.normal(scale=noise, size=21)
        rows += [(str(pair), "bigger first", amount, m) for amount, m in zip(thresholds.COARSE, margin, strict=True)]
    return pd.DataFrame(rows, columns=["pair", "order", "amount", "margin_logits"])


@pytest.mark.parametrize("crossing", [0.35, 0.6])
def test_crossings_are_unbiased_and_covered(crossing):
    """The mean of the median crossings is within 0.01 of the truth, and 93 to 97 % of the intervals contain it."""
    rng = np.random.default_rng(4)
    found = [
        median_of_pairs(
            thresholds.crossings(logistic_curves(rng, crossing, 0.1))["crossing_share"], seed=i, resamples=999
        )
        for i in range(WORLDS)
    ]

    assert np.mean([e.value for e in found]) == pytest.approx(crossing, abs=0.01)
    assert 0.93 <= np.mean([e.low <= crossing <= e.high for e in found]) <= 0.97


@pytest.mark.parametrize("middle", [0.42, 0.6])
def test_change_points_are_unbiased_and_covered(middle):
    """Each pair turns wrong at its own share of format tokens. The bias is below 0.01, and the coverage at least 93 %.

    Coverage may be higher, because the interval covers the gap between two formats, in which nothing is measured.
    """
    rng = np.random.default_rng(6)
    x = np.linspace(0, 0.85, 24)
    found = []
    for i in range(250):
        own = middle + rng.normal(scale=0.08, size=(20, 2))
        answers = (x < own[..., None]) ^ (rng.random((20, 2, len(x))) < 0.02)
        found.append(curves.change_point(x, answers.mean(1), seed=i, resamples=199).middle)

    assert np.mean([e.value for e in found]) == pytest.approx(middle, abs=0.01)
    assert np.mean([e.low <= middle <= e.high for e in found]) >= 0.93
