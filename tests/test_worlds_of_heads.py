"""Claims about unedited attention on simulated tables of known truth: levels, excesses, rivals, and few pairs."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from by_hand import finding_of

from claims.competition.bandwidth_distribution import test_bandwidth_distribution as of_bandwidth
from claims.competition.bandwidth_distribution.evidence import Distribution
from claims.competition.bandwidth_distribution.measure import MEASURES
from claims.competition.critical_edges import measure as edges
from claims.competition.critical_edges import test_critical_edges as of_edges
from claims.competition.critical_edges.evidence import Paths
from claims.competition.head_similarity import test_head_similarity as of_similarity
from claims.competition.head_similarity.evidence import Similarity
from claims.competition.head_similarity.measure import MEASURES as SIMILARITIES
from claims.competition.last_token_routes import test_last_token_routes as of_routes
from claims.competition.last_token_routes.evidence import Routes
from claims.competition.last_token_routes.measure import PLACES
from claims.competition.position_sensitivity import test_position_sensitivity as of_positions
from claims.competition.position_sensitivity.evidence import Positions
from claims.competition.prompts import ORDERS, POSITIONS, QA, SIMPLE, ask, pairs
from fixtures.attacks import Attack
from fixtures.options import PROFILES
from referee.judging.verdict import Verdict

HEADS, FORMATS = 32, ("Simple", "Q&A", "Chat")
SUBJECT = SimpleNamespace(
    n_heads=HEADS, n_kv_heads=8, kv_group_of_head=[head // 4 for head in range(HEADS)], layer=10, n_layers=32
)
EVEN = np.arange(HEADS) % 2 == 0
FOURTH = np.arange(HEADS) % 4 == 0
NO_ATTACK = Attack(tried=0, counterexample=None)
SETTINGS, FULL = (SimpleNamespace(seed=0, profile=replace(PROFILES[name], splits=999)) for name in ("quick", "full"))

EVEN_HOLD = of_bandwidth.test_even_heads_keep_most_of_their_attention_on_the_numbers_in_every_format
EVEN_HOLD_MORE = of_bandwidth.test_even_heads_keep_more_attention_on_the_numbers_than_other_heads_in_every_format
ODD_LOW = of_bandwidth.test_odd_heads_keep_little_attention_on_the_numbers_in_the_question_format
ODD_HIGH = of_bandwidth.test_odd_heads_keep_most_of_their_attention_on_the_numbers_in_the_simple_format
ODD_LOWER = of_bandwidth.test_odd_heads_keep_less_attention_on_the_numbers_than_other_heads_in_the_question_format
ROUTE = of_routes.test_even_heads_take_the_last_token_to_the_numbers
ROUTE_MORE = of_routes.test_even_heads_take_the_last_token_to_the_numbers_more_than_odd_heads
EDGES = of_edges.test_the_edges_that_matter_lead_to_numbers_in_even_heads
STEADY = of_positions.test_even_heads_vary_less_with_the_place_of_the_numbers
ALIKE = of_similarity.test_even_heads_resemble_each_other_more_than_odd_heads


def frame(shares, formats, names, layer=10):
    """Returns a table with one row per pair × order × format × head, from shares [pair, order, format, head]."""
    levels = {"pair": map(str, pairs(len(shares))), "order": ORDERS, "format": formats, "head": range(HEADS)}
    index = pd.MultiIndex.from_product(levels.values(), names=levels.keys())
    return pd.DataFrame({name: shares.ravel() for name in names}, index=index).reset_index().assign(layer=layer)


def shares_of(per_head, count=20, formats=FORMATS, noise=0.0, own=0.1, seed=0):
    """Returns shares [pair, order, format, head] from [head] or [format, head], with noise between pairs.

    All heads have the noise of the pair in common. In addition each head has noise that is `own` times as large.
    """
    rng = np.random.default_rng(seed)
    common, of_head = rng.normal(size=(count, 1, 1, 1)), rng.normal(size=(count, 1, 1, HEADS))
    return np.broadcast_to(per_head, (count, len(ORDERS), len(formats), HEADS)) + noise * (common + own * of_head)


def bandwidth(test, shares, settings=SETTINGS, elsewhere=None):
    """Returns the finding of a claim of experiment 1.1. All measures have the same shares."""
    names = ["numerical_share", "format_share", "other_share"]
    table = pd.concat([frame(shares, FORMATS, names).assign(measure=measure) for measure in MEASURES])
    attack = {"attack_on_formats": NO_ATTACK} if test is EVEN_HOLD else {}
    return finding_of(test, bandwidth=Distribution(table, SUBJECT, settings, elsewhere), **attack)


def routes(test, shares, layers=(10,), settings=SETTINGS):
    """Returns the finding of a claim of experiment 2.1. The six places share the attention evenly."""
    rows = pd.concat([frame(shares / len(PLACES), FORMATS, ["attention_share"], layer) for layer in layers])
    table = pd.concat([rows.assign(place=place, uniform_share=0.3) for place in PLACES])
    subject = SimpleNamespace(**{**vars(SUBJECT), "n_layers": max(layers) + 1, "layer": 10})
    return finding_of(test, routes=Routes(table, subject, settings))


def positions(spread):
    """Returns the finding of claim 2.3. The shares of head h in two placements differ by twice `spread`, [head]."""
    names = [format.name for format in POSITIONS]
    waves = np.resize([1.0, -1.0], (len(names), 1))
    shares = 0.5 + np.broadcast_to(spread, (20, len(ORDERS), 1, HEADS)) * waves
    table = pd.concat([frame(shares, names, ["numerical_share"]).assign(measure=measure) for measure in MEASURES])
    return finding_of(STEADY, positions=Positions(table, SUBJECT, SETTINGS))


def similarity(cells):
    """Returns the finding of claim 3.1 from correlations [pair, head, head]."""
    prompts = ask(pairs(len(cells)), [SIMPLE])
    of_prompts = np.repeat(cells, len(ORDERS), axis=0)
    measured = dict.fromkeys(SIMILARITIES, of_prompts)
    return finding_of(ALIKE, similarity=Similarity(measured, prompts, SUBJECT, SETTINGS))


def blocks(within, across):
    """Returns correlations [head, head]: `within` for two even heads, and `across` for all others."""
    return np.where(np.outer(EVEN, EVEN), within, across)


def critical(on_numbers, count=20):
    """Returns the finding of claim 2.2. `on_numbers` is the number of the five top edges on numbers, [head]."""
    prompts = ask(pairs(count), [SIMPLE, QA])
    rows = [
        (i, str(p.pair), p.order, p.format.name, attribution, head, rank, float(rank < on_numbers[head]), 1.0, 0, 0)
        for (i, p), attribution, head, rank in product(
            enumerate(prompts), edges.ATTRIBUTIONS, range(HEADS), range(edges.TOP_EDGES)
        )
    ]
    columns = ["prompt", "pair", "order", "format", "attribution", "head", "rank", "on_numbers"]
    table = pd.DataFrame(rows, columns=[*columns, "attribution_logits", "query", "key"])
    removed = pd.DataFrame({"predicted_logits": [0.0, 1.0], "change_logits": [0.0, 1.0]})
    return finding_of(EDGES, paths=Paths(table, removed, dict.fromkeys(prompts), SUBJECT, SETTINGS))


THEORY = np.where(EVEN, [[0.8], [0.7], [0.6]], [[0.6], [0.2], [0.1]])
"""Shares by format and head as in the theory: even heads hold, and odd heads fall."""


@pytest.mark.parametrize("test", [EVEN_HOLD, EVEN_HOLD_MORE, ODD_LOW, ODD_HIGH, ODD_LOWER])
def test_a_world_as_in_the_theory_is_supported(test):
    """Even heads hold and odd heads fall, with noise between pairs."""
    assert bandwidth(test, shares_of(THEORY, noise=0.02)).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("test", [ROUTE, ROUTE_MORE])
def test_routes_as_in_the_theory_are_supported(test):
    """Even heads route more than a tenth, and more than odd heads."""
    assert routes(test, shares_of(THEORY, noise=0.02)).verdict is Verdict.SUPPORTED


def test_other_observations_as_in_the_theory_are_supported():
    """Even heads have steady shares, similar patterns, and top edges on numbers."""
    assert positions(np.where(EVEN, 0.05, 0.2)).verdict is Verdict.SUPPORTED
    assert similarity(np.stack([blocks(0.9, 0.2)] * 20)).verdict is Verdict.SUPPORTED
    assert critical(np.where(EVEN, 4, 1)).verdict is Verdict.SUPPORTED


FOURTH_DECIDES = [(bandwidth, EVEN_HOLD), (bandwidth, EVEN_HOLD_MORE), (routes, ROUTE_MORE)]


@pytest.mark.parametrize(("judged", "test"), FOURTH_DECIDES)
def test_every_fourth_head_is_a_rival_of_parity(judged, test):
    """World: heads 0 mod 4 are at .95 and all others at .10. The even heads' mean is .525."""
    found = judged(test, shares_of(np.where(FOURTH, 0.95, 0.10), noise=0.005))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "a rival explains it as well: " in found.reason
    assert "heads 0 mod 4" in found.reason


def test_all_heads_but_every_fourth_are_a_rival_of_parity():
    """World: one head in four is low, or high, and all others are equal. Then one parity is a mixture."""
    second = np.arange(HEADS) % 4 == 1
    low, high = (shares_of(np.where(*where), noise=0.005) for where in ((second, 0.1, 0.9), (FOURTH, 0.95, 0.10)))
    unlike = np.stack([np.where(np.outer(~second, ~second), 0.9, 0.2)] * 20)

    found = [bandwidth(EVEN_HOLD_MORE, low), bandwidth(ODD_LOWER, high), similarity(unlike)]

    assert [finding.reason for finding in found] == [
        "a rival explains it as well: all heads but heads 1 mod 4",
        "a rival explains it as well: all heads but heads 0 mod 4",
        "a rival explains it as well: all heads but heads 1 mod 4",
    ]


def test_a_level_of_a_part_decides_in_the_format_in_which_the_rest_misses_it():
    """Even heads 2 mod 4 fall in Chat only. The mean of all even heads stays above the threshold there."""
    shares = np.where(EVEN, 0.9, 0.3) * np.ones((3, 1))
    shares[2, np.arange(HEADS) % 4 == 2] = 0.2

    found = bandwidth(EVEN_HOLD, shares_of(shares))

    assert found.reason == "a rival explains it as well: only heads 0 mod 4, not the other even heads"
    (rest,) = (world.value for world in found.evidence.against if world.explains)
    assert rest == pytest.approx(0.2)


def test_the_first_half_of_the_odd_heads_is_a_rival_of_a_low_level():
    """The odd heads' mean in Q&A is .35, because half of them are at .10. The other half is at .60."""
    shares = np.where(EVEN, 0.8, np.where(np.arange(HEADS) < HEADS // 2, 0.1, 0.6))

    reason = bandwidth(ODD_LOW, shares_of(shares)).reason

    assert reason == "a rival explains it as well: only first half of the heads, not the other odd heads"


def test_noise_between_heads_is_no_rival_of_a_level():
    """All even heads meet the criterion, at levels from .42 to .95 in random order."""
    for seed in range(8):
        drawn = np.random.default_rng(seed).uniform(0.42, 0.95, HEADS)

        assert bandwidth(EVEN_HOLD, shares_of(drawn, noise=0.001, seed=seed)).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("sign", [1, -1, 0])
def test_equal_heads_hold_and_are_not_special(sign):
    """World: heads differ only by rounding errors. Only the level is true. No part of them is a rival of a level."""
    rounding = sign * 1e-9 * np.where(EVEN, 1.0, -1.0)
    equal = shares_of(0.7 + rounding, noise=0.02, own=0.0)

    assert bandwidth(EVEN_HOLD, equal).verdict is Verdict.SUPPORTED
    assert routes(ROUTE, equal).verdict is Verdict.SUPPORTED
    low = bandwidth(ODD_LOW, equal)
    assert low.verdict is Verdict.REFUTED
    assert not any(world.explains for world in low.evidence.against)
    assert bandwidth(EVEN_HOLD_MORE, equal).verdict is Verdict.REFUTED
    assert bandwidth(ODD_LOWER, equal).verdict is Verdict.REFUTED
    assert routes(ROUTE_MORE, equal).verdict is Verdict.REFUTED
    assert positions(0.1 - rounding).verdict is Verdict.REFUTED
    assert similarity(np.stack([blocks(0.5 + sign * 1e-9, 0.5)] * 20)).verdict is Verdict.REFUTED
    assert critical(np.full(HEADS, 3)).verdict is Verdict.REFUTED


@pytest.mark.parametrize("difference", [0.1, 1e-9, 0.0])
def test_two_equal_values_are_never_enough(difference):
    """Two pairs have the same difference. Their interval has no width, and they give no verdict in favour."""
    shares = shares_of(0.7 + difference * np.where(EVEN, 1, -1), count=2)
    cells = np.stack([blocks(0.5 + difference, 0.5)] * 2)

    found = [bandwidth(EVEN_HOLD_MORE, shares), routes(ROUTE_MORE, shares), similarity(cells)]

    assert {finding.verdict for finding in found} == {Verdict.INCONCLUSIVE}


def test_heads_are_no_units():
    """World: in each pair, all 16 × 16 cells deviate by the same chance amount. The truth is no difference.

    Over cells the deviation is certain, over pairs it is not. At most 2.5 % of the intervals lie above zero.
    """
    rng = np.random.default_rng(0)
    prompts, certain, found = ask(pairs(12), [SIMPLE])[::2], 0, []
    for _ in range(300):
        shift = rng.normal(scale=0.1, size=(12, 1, 1))
        cells = blocks(0.5, 0.5) + blocks(1.0, 0.0) * shift + rng.normal(scale=0.01, size=(12, HEADS, HEADS))
        estimate = Similarity({SIMILARITIES[0]: cells}, prompts, SUBJECT, SETTINGS).advantage_of_even_heads()["all"]
        found.append(estimate.low > 0)
        inside = cells.mean(0)[np.ix_(EVEN, EVEN)]
        certain += inside.mean() - 0.5 > 2 * inside.std() / np.sqrt(inside.size)

    assert certain > 100
    assert np.mean(found) <= 0.025 + 0.01


@pytest.mark.parametrize("count", [3, 9])
def test_few_pairs_are_not_enough_for_many_heads(count):
    """The 32 heads agree perfectly, and there are fewer than ten pairs."""
    found = bandwidth(EVEN_HOLD_MORE, shares_of(THEORY, count=count))

    assert found.reason == f"Simple: only {count} pairs; a verdict needs 10"


def test_noise_between_heads_seldom_makes_even_heads_special():
    """World: each head has its own level, drawn at random. At most 5 % of simulations support the excess."""
    verdicts = [
        routes(ROUTE_MORE, shares_of(np.random.default_rng(seed).uniform(0.2, 0.8, HEADS), count=12)).verdict
        for seed in range(60)
    ]

    assert np.mean([verdict is Verdict.SUPPORTED for verdict in verdicts]) <= 0.05 + 0.02


def test_layers_are_compared_in_full_runs_only():
    """Each layer has the value of its hardest format. Other profiles observe nearby layers, and rank none."""
    full = routes(ROUTE, shares_of(THEORY), layers=range(12), settings=FULL)

    assert full.evidence.by_layer == pytest.approx(dict.fromkeys(range(12), 0.6))
    assert full.layer_rank(10) == (1, 12)
    assert routes(ROUTE, shares_of(THEORY), layers=range(8, 13)).evidence.by_layer == {}


def test_the_layers_of_bandwidth_are_compared():
    """At layer 3, the even heads' hardest format has .9, and at layer 10 it has .6."""
    names = ["numerical_share", "format_share", "other_share"]
    elsewhere = frame(shares_of(np.full(HEADS, 0.9)), FORMATS, names, layer=3).assign(measure="all rows")

    found = bandwidth(EVEN_HOLD, shares_of(THEORY), FULL, elsewhere)

    assert found.evidence.by_layer == pytest.approx({3: 0.9, 10: 0.6})
    assert "at best layer 3" in found.evidence.against[-1].world


def test_a_counterexample_is_the_prompt_furthest_from_the_claim():
    """It misses the level and the excess, in a format in which other prompts have much room."""
    shares = shares_of(THEORY).copy()
    shares[4, 1, 2, EVEN] = 0.05

    prompt = f"Chat with {pairs(5)[4]}, bigger second: even heads' numerical bandwidth"

    found = [bandwidth(test, shares).evidence.counterexample.text for test in (EVEN_HOLD, EVEN_HOLD_MORE)]

    assert found == [f"{prompt} is 0.050", f"{prompt} minus that of the others is -0.050"]
