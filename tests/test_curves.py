from __future__ import annotations

import numpy as np
import pytest

from referee.judging import curves

X = np.linspace(0, 0.85, 18)
GRID = 0.0036
"""The distance between two neighbouring middles of the fit."""


def falling(middle, width, x=X):
    """Returns an accuracy that falls from 1 to 0."""
    return 1 / (1 + np.exp(np.clip((x - middle) / (width / curves.TEN_TO_NINETY), -50, 50)))


@pytest.mark.parametrize("middle", [0.2, 0.4, 0.6, 0.7])
@pytest.mark.parametrize("width", [0.05, 0.2])
def test_the_change_point_is_found(middle, width):
    """The middle of a logistic is found to within the grid of the fit."""
    found = curves.change_point(X, falling(middle, width))

    assert found.middle == pytest.approx(middle, abs=2 * GRID)
    assert found.height == pytest.approx(1, abs=0.05)
    assert found.low <= found.middle <= found.high


def test_points_may_be_scattered():
    """The order of the points does not matter, and points with the same x count with their mean."""
    rng = np.random.default_rng(0)
    x = rng.permutation(np.repeat(X, 2))
    y = falling(0.4, 0.1, x)

    assert curves.change_point(x, y) == curves.change_point(X, falling(0.4, 0.1))


def test_a_step_is_known_to_within_its_gap():
    """All middles between the last right and the first wrong point fit equally well. The ends are these two points."""
    found = curves.change_point(X, np.arange(len(X)) < 12)

    assert (found.low, found.high) == (X[11], X[12])
    assert found.middle == pytest.approx((X[11] + X[12]) / 2, abs=GRID)
    assert found.width < 0.05


def test_two_orders_that_fall_at_different_places_fall_between_them():
    """The mean of two steps has its middle halfway, wherever the steps are in the measured range."""
    both = (np.arange(len(X)) < 11) * 0.5 + (np.arange(len(X)) < 14) * 0.5

    assert curves.change_point(X, both).middle == pytest.approx((X[10] + X[14]) / 2, abs=0.02)


def test_narrow_and_wide_changes_differ():
    """The width is the distance from 10 % to 90 % of a logistic."""
    narrow, wide = (curves.change_point(X, falling(0.45, width)).width for width in (0.02, 0.3))

    assert narrow < 0.06
    assert wide == pytest.approx(0.3, rel=0.4)


def test_one_wrong_answer_is_a_fall_of_no_height():
    """Its height distinguishes it from a fall of the whole curve."""
    curve = np.ones(len(X))
    curve[6] = 0.0

    assert curves.change_point(X, curve).height < 0.2


@pytest.mark.parametrize("curve", [np.full(18, 0.5), np.linspace(0, 1, 18)], ids=["flat", "rising"])
def test_what_does_not_fall_has_no_change_point(curve):
    """Neither a constant curve nor a rising one has a change point."""
    assert curves.change_point(X, curve) is None


def test_shapes_are_compared_on_units_they_were_not_fitted_to():
    """A constant predicts noise around a constant best, and a step predicts a step best."""
    flat = 0.5 + 0.2 * np.random.default_rng(0).normal(size=(20, len(X)))
    step = np.tile((np.arange(len(X)) < 9).astype(float), (10, 1))

    errors = curves.held_out_errors(X, flat)
    assert errors["constant"] <= 1.01 * min(errors.values())
    errors = curves.held_out_errors(X, step)
    assert errors["step"] <= errors["logistic"] < errors["linear"] < errors["constant"]


def test_held_out_errors_equal_those_of_fits_one_by_one():
    """The constant, the line and the step are the least-squares fits to the points of all other units."""
    rng = np.random.default_rng(0)
    units = np.repeat(range(6), 9)
    x = np.concatenate([np.sort(rng.choice(X, 9, replace=False)) for _ in range(6)])
    y = (x < 0.5) + 0.3 * rng.normal(size=len(x))

    def error(fit):
        rest = [(x[units != u], y[units != u], x[units == u], y[units == u]) for u in range(6)]
        return np.mean([np.mean((fit(x, y, at) - own) ** 2) for x, y, at, own in rest])

    def step(x, y, at):
        fits = {}
        for cut in np.unique(x)[1:]:
            low, high = y[x < cut].mean(), y[x >= cut].mean()
            fits[((np.where(x < cut, low, high) - y) ** 2).sum()] = np.where(at < cut, low, high)
        return fits[min(fits)]

    errors = curves.errors_on_others(x, y, units)
    assert errors["constant"] == pytest.approx(error(lambda x, y, at: y.mean()))
    assert errors["linear"] == pytest.approx(error(lambda x, y, at: np.polyval(np.polyfit(x, y, 1), at)))
    assert errors["step"] == pytest.approx(error(step), rel=0.02)


def test_a_logistic_may_be_anywhere_on_scattered_points():
    """Each unit has places of its own. The true shape predicts them best, and the errors are those of the noise."""
    rng = np.random.default_rng(1)
    x, units = rng.uniform(0, 0.85, size=360), np.repeat(range(12), 30)
    noise = 0.05 * rng.normal(size=360)

    errors = curves.errors_on_others(x, falling(0.55, 0.3, x) + noise, units)

    assert min(errors, key=errors.get) == "logistic"
    assert errors["logistic"] == pytest.approx(0.05**2, rel=0.2)
