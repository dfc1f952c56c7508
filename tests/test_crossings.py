"""Where a margin crosses zero for good, how wide its rise is, and where the replacement is measured more finely."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from claims.competition.pattern_replacement import measure as thresholds
from claims.competition.prompts import ORDERS, Case, Pair
from referee.measuring.session import Session

FIRST, SECOND = ORDERS


def crossing_of(margins):
    amounts = np.linspace(0, 1, len(margins))
    table = pd.DataFrame({"pair": "a", "order": FIRST, "amount": amounts, "margin_logits": margins})
    (case,) = thresholds.crossings(table).itertuples()
    return case


@pytest.mark.parametrize(
    ("margins", "crossing", "repaired", "relapses"),
    [
        ([-1, -1, 1, -1, -1, -1, 1, 1, 1, 1, 1], 0.15, True, True),  # exactly a tenth of the way
        ([-1, -1, 1, -3, -1, -1, 1, 1, 1, 1, 1], 0.55, True, False),  # the first touch is shorter than a tenth
        ([-1, -1, -1, -1, -1, -1, 1, 1, 1, -1, -1], 0.55, False, True),
        ([-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1], 0.95, True, False),  # less than a tenth is left
        ([-1, -1, -1, -1, -1, -1, -1, -1, -1, 1, -3], np.inf, False, False),
        ([-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1], np.inf, False, False),
    ],
)
def test_a_crossing_lasts_for_a_tenth_of_the_way(margins, crossing, repaired, relapses):
    """The margin stays positive from the crossing on. Whether full replacement repairs is a fact of its own."""
    case = crossing_of(margins)

    assert case.crossing_share == pytest.approx(crossing)
    assert (case.repaired, case.relapses) == (repaired, relapses)


@pytest.mark.parametrize(
    ("margins", "width"),
    [
        ([-1, -1, -1, -1, -1, -1, 1, 1, 1, -1, -1], 0.08),  # it relapses: the rise ends at the maximum
        ([-2, -4, -6, -4, -2, 0.5, 2, 1, 0, -1, -1], 0.307),  # it dips: the rise begins at the minimum
        ([-1, -0.8, -0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8, 1], 0.8),
        ([-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1], np.inf),
    ],
)
def test_the_width_is_that_of_the_rise(margins, width):
    """It is the distance from 10 % to 90 % of the rise."""
    assert crossing_of(margins).width_share == pytest.approx(width, abs=0.005)


def test_the_refinement_is_around_the_crossing_and_not_around_the_first_touch(llama, monkeypatch):
    """The margin is positive between 0.19 and 0.22 and after 0.613. Only the gap around 0.613 is halved."""

    def scores(session, trials, *scores, progress=None):
        amounts = [next((edit.amount for _, edit in trial.edits), 0.0) for trial in trials]
        right = [0.19 < amount < 0.22 or amount > 0.613 for amount in amounts]
        return pd.DataFrame({"margin_logits": np.where(right, 1.0, -1.0), "output_norm": 1.0})

    monkeypatch.setattr(Session, "scores", scores)
    table = thresholds.replacement(Session(llama), [Case(Pair("9.8", "9.11"), FIRST)], layer=2)

    assert sorted(set(table["amount"]) - set(thresholds.COARSE)) == pytest.approx([0.6125, 0.625])


def test_a_case_alone_in_its_order_has_no_faulty_donor(llama):
    """A prompt would be its own donor, and such a control could not fail."""
    cases = [Case(Pair("9.8", "9.11"), FIRST), Case(Pair("8.7", "8.12"), FIRST), Case(Pair("3.4", "3.25"), SECOND)]

    table = thresholds.whole_replacement(Session(llama), cases, faulty=True)

    assert set(table["order"]) == {FIRST}
    assert table["pair"].nunique() == 2
