"""Claims about induction heads and attention sinks on simulated tables of known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from by_hand import SETTINGS
from induction_by_hand import SWEPT, judged, rng

from claims.induction.estimates import among_other_sets, placebo
from claims.induction.head_scores import test_head_scores as of_scores
from claims.induction.head_scores import worlds as scores
from claims.induction.head_scores.evidence import HeadScores
from claims.induction.named import Named
from claims.induction.simulated_sequences import noise
from claims.induction.theory import FEWEST_UNITS, MATCHING, THEORY
from claims.operating import measure, rates, too_many
from claims.simulations import INSIDE, simulations_of
from referee.judging.verdict import Verdict

MATCH = of_scores.test_some_heads_attend_to_what_followed_the_same_token_before
REST = of_scores.test_most_heads_rest_on_the_first_token
SIMULATIONS = simulations_of("induction")
TABLES = 40


@pytest.mark.slow
@pytest.mark.parametrize("claim_id", SIMULATIONS)
def test_a_claim_is_seldom_judged_wrong(claim_id):
    """At no place are wrong verdicts clearly more than 5 %, and the claim is found in half of the clear worlds."""
    found = rates(measure("induction", claim_id, "quick", TABLES), true_at_edge=False)

    assert not too_many(*found["false_support"])
    assert not too_many(*found["false_refutation"])
    assert found["power"][0] >= TABLES / 2


def test_every_claim_has_a_simulation_of_its_own():
    """The simulations have the order of the theory, and each runs the test of its claim."""
    assert [found.claim for found in SIMULATIONS.values()] == list(THEORY.claims)
    assert list(SIMULATIONS) == [claim.id for claim in THEORY.claims] == ["I1", "I2", "I3", "I4", "S1", "S2"]


@pytest.mark.parametrize("claim_id", SIMULATIONS)
def test_a_clear_world_is_supported(claim_id):
    """The first table of a world in which the claim is clearly true."""
    assert SIMULATIONS[claim_id].finding(rng(), SETTINGS, INSIDE, THEORY).verdict is Verdict.SUPPORTED


# I1


def matching(levels, *, without=0.03, seed=0, count=36, named=None):
    """Returns the finding of claim I1. `levels` and `without` are scores [layer, head] with and without repetition."""

    def table(levels, count):
        levels = np.asarray(levels, float)
        return scores.table({"prefix_matching": levels + 0.02 * rng(seed).normal(size=(count, *levels.shape))})

    repeated = table(levels, count)
    named = named or Named.on(repeated)
    without = table(np.broadcast_to(without, np.shape(levels)), min(SWEPT, count))
    return judged(MATCH, head_scores=HeadScores(repeated, without, named, dict.fromkeys(scores.SCORES, 0.03)))


def test_one_strong_head_of_many_is_found():
    """World: one of 100 heads matches, and all others attend elsewhere."""
    levels = np.full((10, 10), 0.03)
    levels[7, 3] = 0.9

    found = matching(levels)

    assert found.verdict is Verdict.SUPPORTED
    assert found.chance == 0.03
    assert "7.3 0.89" in found.evidence.notes[0]


def test_heads_below_the_threshold_are_refuted():
    """World: the strongest heads give a third of their attention to what followed."""
    found = matching(np.full((10, 10), 0.33))

    assert found.verdict is Verdict.REFUTED
    assert found.evidence.counterexample.text.startswith("sequence ")


def test_a_head_that_attends_by_position_is_not_distinguished():
    """World: the top head attends 24 positions back, whether the tokens are repeated or not."""
    levels = np.full((10, 10), 0.03)
    levels[7, 3] = 0.9

    found = matching(levels, without=levels)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "on sequences without repetition" in found.reason


def test_rounding_errors_are_no_response_to_repetition():
    """World: with repetition, the score is larger in every sequence by less than the resolution."""
    values = pd.Series(np.full(12, 0.9))

    assert placebo("p", values + 1e-7, values, resolution=1e-6).p == 1.0
    assert placebo("p", values + 1e-5, values, resolution=1e-6).p == pytest.approx(0.5**12)


def test_only_sequences_with_a_placebo_are_compared():
    """The values of both are matched by the number of the sequence."""
    values = pd.Series([1.0, 1.0, 0.0, 0.0], index=[0, 1, 2, 3])
    other = pd.Series([1.5, 0.5], index=[1, 0])

    found = placebo("p", values, other)

    assert (found.value, found.p, found.veto) == (1.0, pytest.approx(0.75), True)


def test_chance_does_not_make_an_induction_head():
    """World: 300 heads without any preference, whose scores vary by chance.

    The scores of heads that are chosen and judged on the same sequences are too large (the winner's curse). On other
    sequences the same heads have the score of all heads.
    """
    levels = 0.38 + 0.3 * rng(1).normal(size=(2, SWEPT, 30, 10))
    choosing, judging = (scores.table({"prefix_matching": level}) for level in levels)
    uniform = dict.fromkeys(scores.SCORES, 0.03)
    top, of_others = Named.on(choosing), Named.on(judging)

    same, other = (HeadScores(judging, judging, named, uniform).prefix_matching().mean() for named in (of_others, top))

    assert same > MATCHING + 0.1
    assert abs(other - 0.38) < 0.1
    assert top.top != of_others.top


def test_few_sequences_give_no_verdict():
    """Nine perfect sequences are not enough."""
    assert FEWEST_UNITS == 10
    found = matching(np.full((10, 10), 0.9), count=9)

    assert found.reason == "only 9 sequences; a verdict needs 10"


# S1


def resting(shares, layers=4):
    """Returns the finding of claim S1 from first-token shares [sequence, head], which are equal in all layers."""
    shares = np.asarray(shares, float)
    levels = np.broadcast_to(shares[:, None], (len(shares), layers, shares.shape[1]))
    table = scores.table({"first_token": levels, "first_token_of_last_row": levels})
    uniform = dict.fromkeys(scores.SCORES, 0.09)
    return judged(REST, head_scores=HeadScores(table, table, Named(((0, 0),), (), ()), uniform))


def test_most_heads_must_rest_and_not_half_of_them():
    """World: 5 of 8 heads rest, 4 of 8, or 3 of 8."""
    found = [resting(np.tile([0.9] * count + [0.1] * (8 - count), (12, 1))).verdict for count in (5, 4, 3)]

    assert found == [Verdict.SUPPORTED, Verdict.REFUTED, Verdict.REFUTED]


def test_attention_that_is_far_below_the_threshold_does_not_rest():
    """World: every head gives twice the uniform share to the first token."""
    assert resting(np.full((12, 8), 0.18)).verdict is Verdict.REFUTED


def test_the_choice_of_the_threshold_is_shown_as_fragile():
    """World: every head gives 0.35 to the first token. At the threshold 0.4 no head rests."""
    found = resting(np.full((12, 8), 0.35))

    assert found.verdict is Verdict.SUPPORTED
    assert found.fragile
    assert [(variant.name, variant.verdict.value) for variant in found.variants] == [
        ("threshold 0.2", "SUPPORTED"),
        ("threshold 0.4", "REFUTED"),
        ("last row", "SUPPORTED"),
    ]


def test_layers_0_and_1_do_not_count():
    """World: all heads rest, but only in the first two layers. A model of two layers has no verdict."""
    shares = np.full((12, 6, 8), 0.1)
    shares[:, :2] = 0.9
    table = scores.table({"first_token": shares})
    uniform = dict.fromkeys(scores.SCORES, 0.09)

    assert judged(REST, head_scores=HeadScores(table, table, Named(((0, 0),), (), ()), uniform)).verdict is (
        Verdict.REFUTED
    )
    two = resting(np.full((12, 8), 0.9), layers=2)
    assert two.verdict is Verdict.NOT_APPLICABLE
    assert two.reason == "the claim is about layers 2 and higher, and the highest layer of the model is 1"


# Statistics that the claims share


def test_a_value_among_other_sets():
    """p counts the sets that do at least as well. The value is the 95th percentile of the sets."""
    found = among_other_sets(0.5, [0.1] * 98 + [0.6], existing=500)

    assert (found.world, found.veto) == ("99 other sets of heads (same layers, same number of heads)", True)
    assert found.p == pytest.approx(2 / 100)
    assert found.value == pytest.approx(0.1)


def test_noise_has_the_median_zero():
    """All shapes of noise do, and their standard deviation is about 1."""
    shapes = [noise(rng(seed), 20_000) for seed in range(12)]

    for drawn in shapes:
        assert abs(np.median(drawn)) < 0.03
        assert drawn.std() == pytest.approx(1, abs=0.15)
    skewness = [((drawn / drawn.std()) ** 3).mean() for drawn in shapes]
    assert min(skewness) < -1
    assert max(skewness) > 1
