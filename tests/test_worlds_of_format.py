"""The verdicts on the claims of experiment 1.3 in simulated worlds of known truth, with noise."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from claims.competition.bandwidth_distribution.measure import ALL_ROWS
from claims.competition.format_injection.evidence import Injection
from claims.competition.phrasings import FILLERS
from claims.competition.prompts import ORDERS
from claims.competition.strata import in_both_orders
from claims.competition.theory import DROP_AT_SIXTY, FALLS_WITH_FORMAT, FORMAT_COSTS_MORE, THEORY
from referee.judging.evidence import Evidence
from referee.judging.findings import judged
from referee.judging.verdict import Verdict

pytestmark = pytest.mark.slow
WORLDS = 200
PHRASINGS = 12
BARE = 8
"""The number of tokens of a prompt without format tokens."""
LENGTHS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 16, 19, 24, 32, 45])
"""Numbers of format tokens. The shares go from 0 to 85 % in steps of about 5 %, denser around 60 %."""
SHARES = LENGTHS / (BARE + LENGTHS)
SHAPE = (PHRASINGS, len(ORDERS), len(LENGTHS))


def world(share, margin, fillers=None):
    """Returns the evidence of a simulated experiment with one pair for each phrasing.

    Args:
        share: [phrasing, order, length], numerical shares.
        margin: [phrasing, order, length], margins in logits.
        fillers: [phrasing, order, filler], numerical shares with fillers in place of the most format tokens.
    """
    phrasing, order, length = (part.ravel() for part in np.indices(SHAPE))
    columns = {"phrasing": phrasing, "order": order, "format": length, "format_tokens": LENGTHS[length], "filler": ""}
    rows = pd.DataFrame(columns | {"numerical_share": share.ravel(), "margin_logits": margin.ravel()})
    if fillers is not None:
        phrasing, order, kind = (part.ravel() for part in np.indices(fillers.shape))
        columns = {"phrasing": phrasing, "order": order, "filler": np.array(list(FILLERS))[kind]}
        columns |= {"format": columns["filler"], "format_tokens": LENGTHS[-1], "numerical_share": fillers.ravel()}
        rows = pd.concat([rows, pd.DataFrame(columns | {"margin_logits": 1.0})], ignore_index=True)
    rows["format_share"] = rows["format_tokens"] / (BARE + rows["format_tokens"])
    rows["correct"] = rows["margin_logits"] > 0
    rows["top_answer"] = np.where(rows["correct"], "right", "wrong")
    rows["order"] = np.array(ORDERS)[rows["order"]]
    rows["pair"] = rows["phrasing"]
    return Injection(rows.assign(measure=ALL_ROWS), share_threshold=0.4, drop=DROP_AT_SIXTY.criterion)


def falling(injection):
    return judged(FALLS_WITH_FORMAT, Evidence(in_both_orders(injection.correlation)), THEORY)


def costing(injection):
    return judged(FORMAT_COSTS_MORE, Evidence(in_both_orders(injection.costs_more)), THEORY)


def dropping(injection):
    evidence = Evidence(in_both_orders(injection.drop_at), injection.against_dropping())
    return judged(DROP_AT_SIXTY, evidence, THEORY)


def repeated(finding_of, injections):
    """Returns the findings in many worlds, and the share of each verdict."""
    findings = [finding_of(injection) for injection in injections]
    counts = Counter(finding.verdict for finding in findings)
    return findings, {verdict: counts[verdict] / len(findings) for verdict in Verdict}


def whole(values):
    return np.broadcast_to(values, SHAPE)


def unrelated(rng, pairs=1):
    """Returns a world in which each phrasing has a random numerical share at each length, the same for all pairs."""
    share = whole(0.5 + 0.05 * rng.normal(size=(PHRASINGS, 1, 1)) + 0.1 * rng.normal(size=(PHRASINGS, 1, len(LENGTHS))))
    injection = world(share, whole(1.0))
    table = injection.table
    copies = [table.assign(pair=table["pair"] + PHRASINGS * copy) for copy in range(pairs)]
    return Injection(pd.concat(copies, ignore_index=True), share_threshold=0.4, drop=DROP_AT_SIXTY.criterion)


@pytest.mark.parametrize("pairs", [1, 3])
def test_a_share_that_is_random_by_phrasing_does_not_fall_with_format(pairs):
    """1.3a is SUPPORTED and REFUTED in at most 5 % of such worlds. More pairs of one phrasing do not change this."""
    rng = np.random.default_rng(0)

    findings, rates = repeated(falling, (unrelated(rng, pairs) for _ in range(WORLDS)))

    assert rates[Verdict.SUPPORTED] <= 0.05
    assert rates[Verdict.REFUTED] <= 0.05
    assert all(finding.estimate.low < finding.estimate.high for finding in findings)
    assert {finding.estimate.n for finding in findings} == {PHRASINGS}


def diluted(rng, noise, fillers=None):
    """Returns a world in which `fillers` take as much attention as format tokens, and all others take none.

    `noise` is the standard deviation between phrasings of all shares.
    """
    alike = np.isin(list(FILLERS), list(FILLERS) if fillers is None else fillers)
    share = whole(BARE / (BARE + LENGTHS)) + noise * rng.normal(size=SHAPE)
    ends = np.where(alike, BARE / (BARE + LENGTHS[-1]), 1.0)
    by_filler = ends + noise * rng.normal(size=(PHRASINGS, len(ORDERS), len(FILLERS)))
    return world(share, whole(1.0), by_filler)


def test_dilution_falls_with_format_but_format_costs_no_more():
    """If all tokens count alike, the theory's sentence is true, and the claim that format is special is false."""
    injection = diluted(np.random.default_rng(0), noise=0.0)

    assert falling(injection).verdict is Verdict.SUPPORTED
    assert costing(injection).verdict is Verdict.REFUTED
    assert {part.value for part in costing(injection).parts.values()} == {0.0}


def test_noisy_dilution_seldom_looks_like_a_cost_of_format():
    """1.3a is SUPPORTED in every world, and 1.3c in at most 5 %, although shares vary with the phrasing."""
    rng = np.random.default_rng(0)
    worlds = [diluted(rng, noise=0.02) for _ in range(WORLDS)]

    assert repeated(falling, worlds)[1][Verdict.SUPPORTED] == 1.0
    assert repeated(costing, worlds)[1][Verdict.SUPPORTED] <= 0.05


@pytest.mark.parametrize("filler", FILLERS)
def test_one_filler_that_counts_as_format_refutes_its_cost_only(filler):
    """The claim names this filler as the hardest part. The claim that the share falls is SUPPORTED all the same."""
    injection = diluted(np.random.default_rng(0), noise=0.0, fillers=[filler])

    found = costing(injection)
    assert (found.verdict, found.decisive) == (Verdict.REFUTED, filler)
    assert falling(injection).verdict is Verdict.SUPPORTED


def test_a_cost_of_format_is_found():
    """If only format tokens take attention, 1.3c is SUPPORTED in at least 95 % of noisy worlds."""
    rng = np.random.default_rng(0)

    _, rates = repeated(costing, (diluted(rng, noise=0.1, fillers=[]) for _ in range(WORLDS)))

    assert rates[Verdict.SUPPORTED] >= 0.95


def margins(rng, drop, phrasing, length=0.0, pair=1.0):
    """Returns margins (logits) that turn negative at the share `drop`, with noise of phrasings, lengths and pairs."""
    noise = rng.normal(size=(3, PHRASINGS, 1, 1)) * np.array([phrasing, pair, 0])[:, None, None, None]
    by_length = length * rng.normal(size=(PHRASINGS, 1, len(LENGTHS)))
    return whole(20 * (drop - SHARES) + noise.sum(0) + by_length)


@pytest.mark.parametrize("noise", [(1, 0), (2, 0), (0, 1), (0, 2), (2, 2)], ids=str)
def test_the_interval_of_the_drop_covers_it(noise):
    """The drop is at 0.60, with noise of 1 or 2 logits between phrasings or lengths. It is seldom REFUTED."""
    rng = np.random.default_rng(1)

    findings, rates = repeated(dropping, (world(whole(1.0), margins(rng, 0.6, *noise)) for _ in range(WORLDS)))

    assert np.mean([found.estimate.low <= 0.6 <= found.estimate.high for found in findings]) >= 0.93
    assert rates[Verdict.REFUTED] <= 0.05
    assert np.mean([found.estimate.value for found in findings]) == pytest.approx(0.6, abs=0.015)


@pytest.mark.parametrize(("drop", "supported"), [(0.53, 0.05), (0.67, 0.05)])
def test_a_drop_just_outside_is_seldom_supported(drop, supported):
    """The gap between two lengths is part of the interval, so a drop in a gap across the bound is not SUPPORTED."""
    rng = np.random.default_rng(2)

    _, rates = repeated(dropping, (world(whole(1.0), margins(rng, drop, 0.5, 0.5, 0.5)) for _ in range(WORLDS)))

    assert rates[Verdict.SUPPORTED] <= supported


def test_a_clear_drop_is_supported_and_a_distant_one_refuted():
    """Answers are wrong at random in 5 % of the prompts on either side of the drop."""
    rng = np.random.default_rng(3)

    def at(drop):
        wrong = (drop < SHARES) ^ (rng.random(SHAPE) < 0.05)
        return world(whole(1.0), np.where(wrong, -1.0, 1.0))

    assert repeated(dropping, (at(0.58) for _ in range(100)))[1][Verdict.SUPPORTED] >= 0.95
    assert repeated(dropping, (at(0.3) for _ in range(100)))[1][Verdict.REFUTED] == 1.0


NOISE = {
    "each answer": lambda rng: rng.normal(size=SHAPE),
    "each length": lambda rng: whole(rng.normal(size=(PHRASINGS, 1, len(LENGTHS)))),
    "each phrasing and answer": lambda rng: rng.normal(size=SHAPE) + rng.normal(size=(PHRASINGS, 1, 1)),
    "each answer, most of them right": lambda rng: 0.84 + rng.normal(size=SHAPE),
}


@pytest.mark.parametrize("noise", NOISE)
def test_accuracy_unrelated_to_format_has_no_drop(noise):
    """1.3b is SUPPORTED in at most 5 % of such worlds. A constant predicts held-out phrasings best in most of them."""
    rng = np.random.default_rng(4)

    findings, rates = repeated(dropping, (world(whole(1.0), NOISE[noise](rng)) for _ in range(WORLDS)))

    assert rates[Verdict.SUPPORTED] <= 0.05
    caught = [any("constant" in chance.world for chance in found.evidence.against) for found in findings]
    assert np.mean(caught) >= 0.65


def test_a_straight_decline_is_no_drop():
    """A straight line predicts held-out phrasings best in most worlds, and 1.3b is SUPPORTED in at most 5 %."""
    rng = np.random.default_rng(5)
    declines = (np.where(rng.random(SHAPE) < 1 - SHARES, 1.0, -1.0) for _ in range(WORLDS))

    findings, rates = repeated(dropping, (world(whole(1.0), decline) for decline in declines))

    assert rates[Verdict.SUPPORTED] <= 0.05
    assert np.mean([any("straight" in chance.world for chance in f.evidence.against) for f in findings]) >= 0.65


def test_accuracy_that_does_not_fall_refutes_the_drop():
    """Answers that are always right, and answers that are right in one order only, have no drop."""
    one_order = np.stack([np.ones((PHRASINGS, len(LENGTHS))), -np.ones((PHRASINGS, len(LENGTHS)))], axis=1)

    for margin in (whole(1.0), one_order):
        found = dropping(world(whole(1.0), margin))
        assert (found.verdict, found.estimate.value) == (Verdict.REFUTED, 1.0)


def test_a_drop_in_one_order_only_is_named():
    """If one order never turns wrong, its own interval excludes the claim, and the reason names this order."""
    margin = np.array(margins(np.random.default_rng(6), 0.58, 0.1, pair=0.1))
    margin[:, 0] = 1.0

    found = dropping(world(whole(1.0), margin))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert ORDERS[0] in found.reason
