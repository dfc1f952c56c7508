"""The rules that make a verdict from estimates: fewest units, ties, vetoes, rivals, strata, headlines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from referee.judging.claims import Claim, Theory
from referee.judging.evidence import Chance, Estimates, Evidence
from referee.judging.findings import Finding, headline_findings, judged
from referee.judging.statistics import Estimate, median, proportion
from referee.judging.verdict import Verdict, above, at_least

LEVEL = Claim("1a", "Most win.", "share of wins", above(0.5), "nobody", headline=1)
MORE = Claim("1b", "They win more than others.", "difference", above(0.0), "nobody", headline=1)
OTHER = Claim("2", "Almost all win.", "share of wins", at_least(0.9), "nobody", headline=2)
THEORY = Theory(
    "Winning", (LEVEL, MORE, OTHER), "games", "side", headlines={1: "Most win.", 2: "All win."}, fewest_units=10
)
YES, OPEN, NO = proportion(20, 20), proportion(11, 20), proportion(1, 20)


def verdict(claim, *parts, **evidence):
    estimates = Estimates(dict(zip("abcdefgh", parts, strict=False)), evidence.pop("by_stratum", {}))
    return judged(claim, Evidence(estimates, **evidence), THEORY)


@pytest.mark.parametrize(
    "estimate", [proportion(9, 9), median([1.0, 1.0]), median([1e-9] * 9)], ids=["9 of 9", "two equal", "nine tiny"]
)
def test_fewer_than_ten_units_give_no_verdict(estimate):
    """Two equal values have an interval without width. It says nothing."""
    found = verdict(replace(LEVEL, criterion=above(0.0)), estimate)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "a verdict needs 10" in found.reason


def test_values_that_are_equal_by_chance_give_no_verdict():
    """Nine zeros and one −1: the interval of the median is the point 0, and the claim "above 0" is open."""
    found = verdict(MORE, median([0.0] * 9 + [-1.0]))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason == "most of the games have the same value, and it is the threshold"
    assert verdict(replace(MORE, criterion=above(-0.5)), median([0.0] * 9 + [-1.0])).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("sign", [1, -1])
def test_differences_below_the_resolution_are_none(sign):
    """Thirty differences of ±1e-9 are zero, so they do not exceed zero."""
    assert verdict(MORE, median([sign * 1e-9] * 30, resolution=1e-6)).verdict is Verdict.REFUTED


def test_an_open_interval_does_not_hide_a_veto():
    """More units would settle the interval, but not the veto. The reason names both."""
    found = verdict(LEVEL, OPEN, against=(Chance("other groups", 0.6, 0.4, veto=True),))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert (
        found.reason
        == "about 441 games would settle the interval; not distinguished from chance: p = 0.400 against other groups"
    )


def test_a_rival_that_explains_keeps_it_from_being_supported():
    """The reason names the rival."""
    found = verdict(LEVEL, YES, against=(Chance("heads 0 mod 4", 0.95, explains=True),))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason == "a rival explains it as well: heads 0 mod 4"


@pytest.mark.parametrize(("p", "expected"), [(0.04, Verdict.SUPPORTED), (0.06, Verdict.INCONCLUSIVE)])
def test_a_veto_needs_a_large_p(p, expected):
    """A chance world that is rejected at 5 % does not count against the claim."""
    assert verdict(LEVEL, YES, against=(Chance("random", 0.5, p, veto=True),)).verdict is expected


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({}, Verdict.SUPPORTED),
        ({"a": proportion(0, 1)}, Verdict.SUPPORTED),
        ({"a": proportion(4, 10)}, Verdict.SUPPORTED),
        ({"a": proportion(0, 9)}, Verdict.SUPPORTED),
        ({"a": proportion(1, 20)}, Verdict.INCONCLUSIVE),
    ],
    ids=["absent", "one failure", "open", "nine", "refuted"],
)
def test_a_stratum_vetoes_only_by_its_own_interval(second, expected):
    """It needs ten units and an interval that excludes the claim. A point estimate or an absence is not enough."""
    assert verdict(LEVEL, YES, by_stratum={"first": {"a": YES}, "second": second}).verdict is expected


def test_a_part_refutes_only_at_the_level_of_all_parts():
    """An upper limit of 0.433 refutes "above 0.44" alone, but not as one of eight parts."""
    low = proportion(14, 49)

    assert verdict(replace(LEVEL, criterion=above(0.44)), low).verdict is Verdict.REFUTED
    found = verdict(replace(LEVEL, criterion=above(0.44)), low, *[YES] * 7)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason == "this part would be refuted alone, but not as one of 8"


def test_a_part_with_enough_units_refutes_whatever_the_others_lack():
    """Two of 40 refute, although the other part has only eight units."""
    assert verdict(LEVEL, proportion(2, 40), proportion(0, 8)).verdict is Verdict.REFUTED
    assert verdict(LEVEL, proportion(0, 8), YES).verdict is Verdict.INCONCLUSIVE


def test_the_p_of_a_headline_contains_the_vetoes():
    """The claim beats other groups with p = 0.045. As one of two headlines, this is not enough."""
    level = verdict(LEVEL, YES)
    more = verdict(MORE, median(np.arange(1.0, 21)), against=(Chance("other groups", 0.1, 0.045, veto=True),))

    found = headline(level, more)[1]

    assert (found.verdict, found.decisive) == (Verdict.INCONCLUSIVE, more)
    assert found.p == pytest.approx(0.09)


def test_the_opposite_verdict_of_a_variant_is_fragile():
    """Agreement counts the variants with a verdict. INCONCLUSIVE does not agree, and it is not the opposite."""
    found = verdict(LEVEL, YES, variants={"same": {"a": YES}, "open": {"a": OPEN}, "few": {"a": proportion(5, 5)}})

    assert (found.agreeing, found.fragile) == ((1, 2), False)
    assert verdict(LEVEL, YES, variants={"opposite": {"a": NO}}).fragile
    assert verdict(LEVEL, YES).agreeing is None


def test_a_layer_is_ranked_by_its_room():
    """Layer 3 has the second largest value of four, and three layers meet the claim."""
    found = verdict(LEVEL, YES, by_layer={1: 0.9, 2: 0.6, 3: 0.8, 4: 0.2})

    assert found.layer_rank(3) == (2, 4)
    assert found.layers_meeting == (3, 4)


def headline(*findings):
    return {found.number: found for found in headline_findings(findings, THEORY)}


def test_a_headline_is_the_intersection_of_its_claims():
    """It is SUPPORTED if each claim is, and REFUTED if one is. A claim that was not run leaves it out."""
    level, more, less = (
        verdict(LEVEL, YES),
        verdict(MORE, median(np.arange(1.0, 21))),
        verdict(MORE, median([-1.0] * 20)),
    )

    assert headline(level, more)[1].verdict is Verdict.SUPPORTED
    assert headline(level, less)[1].verdict is Verdict.REFUTED
    assert headline(level, less)[1].decisive is less
    assert headline(level) == {}


@pytest.mark.parametrize("other", [Verdict.NOT_APPLICABLE, Verdict.ERROR])
def test_a_headline_with_an_open_claim_is_open(other):
    """A claim without a meaning on this subject leaves the headline without one, unless another claim is refuted."""
    level, none = verdict(LEVEL, YES), Finding(MORE, other, reason="no bug")

    found = headline(level, none)[1]

    assert (found.verdict, found.reason, found.p) == (other, "1b: no bug", None)
    refuted = headline(verdict(LEVEL, NO), none)[1].verdict
    assert refuted is (Verdict.REFUTED if other is Verdict.NOT_APPLICABLE else Verdict.ERROR)


def test_holm_decides_over_the_headlines():
    """36 of 36 against 0.9 is p = 0.023. It is enough as the largest p of two, and too much as the smallest."""
    almost = verdict(OTHER, proportion(36, 36))
    sure = (verdict(LEVEL, YES), verdict(MORE, median(np.arange(1.0, 21))))

    assert almost.verdict is Verdict.SUPPORTED
    assert headline(almost, *sure)[2].verdict is Verdict.SUPPORTED
    alone = headline(almost)[2]
    assert alone.verdict is Verdict.SUPPORTED
    assert alone.p == pytest.approx(2 * 0.9**36)
    three = replace(THEORY, claims=(*THEORY.claims, replace(LEVEL, id="3", headline=3)),
                    headlines={**THEORY.headlines, 3: "Third."})  # fmt: skip
    found = headline_findings([almost], three)[0]
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "p = 0.068 after the adjustment for all headlines")


def test_headlines_and_claims_belong_together():
    """Each number of a headline needs its sentence, and each sentence a claim."""
    with pytest.raises(ValueError, match="sentence and a claim"):
        Theory("X", (LEVEL,), "games", "side", headlines={2: "All win."})


def test_an_estimate_without_limits_has_one_interval():
    """An interval that was measured elsewhere is the same at each level."""
    assert Estimate(0.5, 0.4, 0.6, 10).interval(0.001) == (0.4, 0.6)
