from __future__ import annotations

import numpy as np
import pytest

from referee.judging import curves

X = np.linspace(0, 0.85, 18)
GRID = 0.0026
"""The distance between two neighbouring middles of the fit."""


def falling(middle, width, pairs=20, noise=0.0, seed=0):
    """Returns accuracies of pairs, [pair, point], that fall from 1 to 0."""
    mean = 1 / (1 + np.exp(np.clip((X - middle) / (width / curves.TEN_TO_NINETY), -50, 50)))
    return mean + noise * np.random.default_rng(seed).normal(size=(pairs, len(X)))


@pytest.mark.parametrize("middle", [0.2, 0.4, 0.6, 0.7])
@pytest.mark.parametrize("width", [0.05, 0.2])
def test_the_change_point_is_found(middle, width):
    """The interval contains the true middle, and the estimate is within half a gap between points."""
    found = curves.change_point(X, falling(middle, width, noise=0.05), seed=0, resamples=500)

    assert found.middle.value == pytest.approx(middle, abs=0.026)
    assert found.middle.low - GRID <= middle <= found.middle.high + GRID
    assert found.middle.n == 20


def test_a_step_is_known_to_within_its_gap():
    """All middles between the last right and the first wrong point fit equally well, so the interval contains them."""
    step = np.tile((np.arange(len(X)) < 12).astype(float), (10, 1))

    found = curves.change_point(X, step, seed=0, resamples=200)

    assert X[11] - 0.01 <= found.middle.low < found.middle.high <= X[12] + 0.01
    assert found.middle.high - found.middle.low > 0.8 * (X[12] - X[11])
    assert found.width < 0.05


def test_narrow_and_wide_changes_differ():
    """The width is the distance from 10 % to 90 % of a logistic."""
    narrow, wide = (curves.change_point(X, falling(0.45, w), seed=0, resamples=50).width for w in (0.02, 0.3))

    assert narrow < 0.06
    assert wide == pytest.approx(0.3, rel=0.4)


@pytest.mark.parametrize("curve", [np.full(18, 0.5), np.linspace(0, 1, 18)], ids=["flat", "rising"])
def test_what_does_not_fall_has_no_change_point(curve):
    """Neither a constant curve nor a rising one has a change point."""
    assert curves.change_point(X, np.tile(curve, (5, 1)), seed=0, resamples=50) is None


def test_shapes_are_compared_on_pairs_they_were_not_fitted_to():
    """A constant predicts noise around a constant best, and a step predicts a step best."""
    flat = 0.5 + 0.2 * np.random.default_rng(0).normal(size=(20, len(X)))
    step = np.tile((np.arange(len(X)) < 9).astype(float), (10, 1))

    errors = curves.held_out_errors(X, flat)
    assert errors["constant"] <= 1.01 * min(errors.values())
    errors = curves.held_out_errors(X, step)
    assert errors["step"] <= errors["logistic"] < errors["linear"] < errors["constant"]
