"""The verdicts of every claim on simulated tables of known truth, and the counts of wrong verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import SETTINGS

from claims import operating
from claims.competition.bug_of_format import worlds as of_bug
from claims.competition.format_injection import worlds as of_injection
from claims.competition.format_injection.measure import graded_formats
from claims.competition.simulated_heads import EVEN, between_prompts, own_levels
from claims.competition.theory import EVEN_HEADS_HOLD, THEORY
from claims.operating import measure, rates, too_many
from claims.simulations import EDGE, INSIDE, Simulation, bent, simulations_of
from referee.judging import findings
from referee.judging.evidence import NotApplicable
from referee.judging.statistics import proportion
from referee.judging.verdict import Verdict

SIMULATIONS = simulations_of("competition")
TABLES = 12
COUNTS = {
    "outside": {"REFUTED": 20},
    "edge": {"SUPPORTED": 3, "REFUTED": 2, "INCONCLUSIVE": 15},
    "inside": {"SUPPORTED": 10, "REFUTED": 1, "INCONCLUSIVE": 9},
}
"""Verdicts in 20 tables at each place."""


def counted(claim_id, tables=TABLES):
    """Returns the rates of a claim at the size of a quick run."""
    criterion = SIMULATIONS[claim_id].claim.criterion
    return rates(measure("competition", claim_id, "quick", tables), true_at_edge=criterion.closed)


@pytest.mark.slow
@pytest.mark.parametrize("claim_id", SIMULATIONS)
def test_a_claim_is_seldom_judged_wrong(claim_id):
    """At no place are wrong verdicts clearly more than 5 %, and the claim is found in a third of clear worlds."""
    found = counted(claim_id)

    assert not too_many(*found["false_support"])
    assert not too_many(*found["false_refutation"])
    assert found["power"][0] >= TABLES / 3


def test_every_claim_has_a_simulation_of_its_own():
    """The simulations have the order of the theory, and each runs the test of its claim."""
    assert list(SIMULATIONS) == [claim.id for claim in THEORY.claims]
    assert [found.claim for found in SIMULATIONS.values()] == list(THEORY.claims)
    assert all(found.noise for found in SIMULATIONS.values())


def test_a_claim_that_is_simulated_twice_is_refused(monkeypatch):
    """Two experiments cannot simulate the same claim."""
    monkeypatch.setattr(of_bug, "SIMULATIONS", {"1.1a": SIMULATIONS["1.1a"]})

    with pytest.raises(ValueError, match=r"got \['1.1a'\] again in .*bug_of_format"):
        simulations_of("competition")


def test_rates_are_counted_where_the_verdict_is_wrong():
    """At the edge, an open claim is false and a closed one is true."""
    assert rates(COUNTS, true_at_edge=False) == {
        "false_support": (3, 20),
        "false_refutation": (1, 20),
        "power": (10, 20),
    }
    assert rates(COUNTS, true_at_edge=True) == {
        "false_support": (0, 20),
        "false_refutation": (2, 20),
        "power": (10, 20),
    }


@pytest.mark.parametrize(
    ("errors", "tables", "clear"), [(0, 12, False), (2, 12, False), (3, 12, True), (35, 500, False), (36, 500, True)]
)
def test_an_error_rate_is_too_large_by_its_exact_interval(errors, tables, clear):
    """The rate itself may exceed 5 % by chance."""
    assert too_many(errors, tables) is clear
    assert (proportion(errors, tables).low > operating.LARGEST_ERROR) is clear


@pytest.mark.parametrize("claim_id", ["1.1a", "B1"])
def test_a_rule_that_always_supports_is_noticed(claim_id, monkeypatch):
    """Every table outside the claim is then false support."""
    monkeypatch.setattr(findings, "decide", lambda *_, **__: Verdict.SUPPORTED)
    monkeypatch.setattr(findings, "decide_all", lambda *_, **__: Verdict.SUPPORTED)
    monkeypatch.setattr(findings, "_explained", lambda *_: None)
    monkeypatch.setattr(findings, "_excluded_in_a_stratum", lambda *_: None)

    found = counted(claim_id, tables=6)

    assert found["false_support"] == (6, 6)
    assert too_many(*found["false_support"])


def test_a_rule_that_always_refutes_is_noticed(monkeypatch):
    """Every table inside the claim is then a false refutation, and nothing is found."""
    monkeypatch.setattr(findings, "decide", lambda *_, **__: Verdict.REFUTED)
    monkeypatch.setattr(findings, "decide_all", lambda *_, **__: Verdict.REFUTED)

    found = counted("2.2", tables=6)

    assert (found["false_refutation"], found["power"]) == ((6, 6), (0, 6))


def test_a_comparison_without_its_permutation_is_noticed(monkeypatch):
    """Heads differ at random at the edge. Intervals over pairs alone are certain of the difference."""
    monkeypatch.setattr(findings, "_explained", lambda *_: None)

    assert too_many(*counted("1.1c")["false_support"])


def test_the_check_fails_for_a_wrong_rule_only(monkeypatch, capsys):
    """The exit status is 0 for the claim as it is, and 1 after the rivals and the permutation are switched off."""
    arguments = ["--tables", "12", "--claims", "2.2", "--check"]
    assert operating.main(arguments) == 0

    monkeypatch.setattr(findings, "_explained", lambda *_: None)  # the processes of the pool are forked
    assert operating.main(arguments) == 1
    assert "above 5 %" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_tables():
    """Another seed gives others, and each place has its own."""
    drawn = [
        SIMULATIONS["1.1b"].draw(np.random.default_rng(seed), SETTINGS, EDGE)["bandwidth"].table for seed in (0, 0, 1)
    ]

    assert drawn[0].equals(drawn[1])
    assert not drawn[0].equals(drawn[2])


def test_a_claim_that_does_not_apply_has_a_verdict():
    """The test of a claim may end without a judgement."""

    def inapplicable(judge):
        raise NotApplicable("nothing to judge")

    inapplicable.pytestmark = [pytest.mark.claim(EVEN_HEADS_HOLD).mark]
    found = Simulation(inapplicable, lambda *_: {}, "none").finding(np.random.default_rng(0), SETTINGS, INSIDE, THEORY)

    assert (found.verdict, found.reason) == (Verdict.NOT_APPLICABLE, "nothing to judge")


def test_noise_has_the_median_zero():
    """All shapes of noise do, and so does the mean over orders and even heads. Its standard deviation is about 1."""
    rng = np.random.default_rng(0)
    shapes = [bent(rng, rng.normal(size=20_000)) for _ in range(12)]
    of_pairs = between_prompts(rng, 4000, 2, same_mean=True)[..., EVEN].mean((1, 3))

    for noise in (*shapes, *of_pairs.T):
        assert abs(np.median(noise)) < 0.06
        assert noise.std() == pytest.approx(1, abs=0.15)
    skewness = [((noise / noise.std()) ** 3).mean() for noise in shapes]
    assert min(skewness) < -1
    assert max(skewness) > 1


def test_heads_differ_at_random_and_not_by_parity():
    """The difference of even and odd heads is as large as that of random groups. With equal means, it is zero."""
    rng = np.random.default_rng(0)
    levels = np.concatenate([own_levels(rng) for _ in range(4000)])
    excess = levels[:, EVEN].mean(1) - levels[:, ~EVEN].mean(1)

    assert levels.std() == pytest.approx(1, abs=0.02)
    assert abs(excess.mean()) < 0.03
    equal = own_levels(rng, 3, same_mean=True)
    assert np.abs(equal[:, EVEN].mean(1)).max() < 1e-12


def test_a_search_ends_with_the_batch_that_has_enough_bugs():
    """Every fourth pair has the bug in one order. The tenth bug is that of pair 37, so 40 pairs are asked."""
    margins = np.ones((100, 2, 2))
    margins[::4, 1, 1] = -1.0

    assert len(of_bug.screened(margins, 10)) == 40
    assert len(of_bug.screened(margins, 11)) == 60
    assert len(of_bug.screened(margins, 1000)) == 100


def test_the_lengths_of_a_simulated_series_are_those_of_a_run(grouped):
    """Shares are about 5 % apart, and between the two lengths between which accuracy falls all lengths are asked."""
    assert len(of_injection.GRADED) == pytest.approx(len(graded_formats(grouped)), abs=3)
    assert np.diff(of_injection.SHARES[of_injection.GRADED]).min() >= 0.05 - 1e-9
    right = np.broadcast_to(of_injection.SHARES < 0.72, (1, 2, len(of_injection.WORDS)))

    between = np.flatnonzero(of_injection._between(right))

    last, next_one = (of_injection.SHARES[[between[0] - 1, between[-1] + 1]]).tolist()
    assert last < 0.72 < next_one
    assert {between[0] - 1, between[-1] + 1} <= set(of_injection.GRADED)
