"""The claims of experiments 4.1 and 4.2 in simulated worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from by_hand import PAIRS, SETTINGS, finding_of, verdict

from claims.competition.head_subsets import measure as subsets
from claims.competition.head_subsets import test_head_subsets as of_subsets
from claims.competition.head_subsets.evidence import Subsets
from claims.competition.pattern_replacement import measure as thresholds
from claims.competition.pattern_replacement import test_pattern_replacement as of_replacement
from claims.competition.pattern_replacement.evidence import Replacement
from claims.competition.prompts import ORDERS
from claims.competition.theory import CROSSING_BAND, EIGHT_HEADS, ONLY_EVEN_HEADS, SIXTY_PERCENT
from fixtures.attacks import Attack
from referee.judging.evidence import Estimates, Evidence
from referee.judging.verdict import Verdict, within

FIRST, SECOND = ORDERS
AMOUNTS = np.linspace(0, 1, 81)
LOCATION = of_replacement.test_the_answer_turns_right_when_sixty_percent_of_the_pattern_is_replaced
SHARPNESS = of_replacement.test_the_answer_turns_sharply
PATTERN = of_replacement.test_uniform_attention_does_not_turn_the_answer_as_early
HALF_OF_THEM = of_subsets.test_half_of_the_even_heads_are_enough_and_one_fewer_is_not
OTHER_HEADS = of_subsets.test_as_many_other_heads_do_not_turn_the_answer


def step(middle, *, until=2.0):
    """Returns a rule: the margin is positive from `middle` to `until`, with a little noise."""
    level = np.where((middle <= AMOUNTS) & (until > AMOUNTS), 1.0, -1.0)
    return lambda rng: level + 0.01 * rng.normal(size=len(AMOUNTS))


def line(rng):
    """Returns a margin that rises in a straight line and turns at about 0.6."""
    return AMOUNTS - 0.6 + 0.02 * rng.normal()


def flat(rng):
    """Returns a margin that is never positive."""
    return np.full(len(AMOUNTS), -1.0)


def swept(rules, pairs=PAIRS):
    """Returns a table of one arm. `rules` has the rule of each order that has the bug."""
    rng = np.random.default_rng(0)
    cases = [(pair, order, rule(rng)) for pair in pairs for order, rule in rules.items()]
    rows = [(p, o, a, m, 1.0) for p, o, margins in cases for a, m in zip(AMOUNTS, margins, strict=True)]
    return pd.DataFrame(rows, columns=["pair", "order", "amount", "margin_logits", "output_norm"])


def replaced(rules, donor=None, more=()):
    """Returns the evidence of a world. `donor` has the rules of the donors that do not know the answer."""
    table = pd.concat([swept(rules), *more], ignore_index=True)
    blind = swept(donor or dict.fromkeys(rules, flat), table["pair"].unique())
    arms = (thresholds.ALIGNED, thresholds.UNINFORMED, thresholds.OWN)
    tables = {arm.name: (table if arm is thresholds.ALIGNED else blind).assign(arm=arm.name) for arm in arms}
    return Replacement(tables, SETTINGS, band=within(*CROSSING_BAND), has_bos=True)


def found(test, replacement):
    return finding_of(test, replacement=replacement)


def test_two_modes_do_not_average_to_sixty_percent():
    """Crossings at 0.3 in one order and at 0.9 in the other have the median 0.6, but none is inside the band."""
    judged = found(LOCATION, replaced({FIRST: step(0.3), SECOND: step(0.9)}))

    assert judged.verdict is Verdict.REFUTED
    assert judged.estimate.value == 0
    assert "0.29 [0.29, 0.29] with bigger first (16 pairs), 0.89" in judged.evidence.notes[0]


def test_a_repair_that_ends_before_full_replacement_has_a_place():
    """Replacement of 60 to 95 % repairs, and full replacement repairs nothing. The note says so."""
    judged = found(LOCATION, replaced({FIRST: step(0.6, until=0.96), SECOND: step(0.6, until=0.96)}))

    assert judged.verdict is Verdict.SUPPORTED
    assert judged.estimate.value == 1
    assert "Full replacement repairs none of 32." in judged.evidence.notes[1]
    assert "32 turn right and stay so for a tenth of the way; 32 of these turn wrong again" in judged.evidence.notes[1]


def test_what_is_never_repaired_has_no_place():
    """The place is refuted. The claims about sharpness and about the donor have no meaning."""
    replacement = replaced({FIRST: flat, SECOND: flat})

    assert found(LOCATION, replacement).verdict is Verdict.REFUTED
    for test in (SHARPNESS, PATTERN):
        judged = found(test, replacement)
        assert judged.verdict is Verdict.NOT_APPLICABLE
        assert judged.reason.startswith("the answers of 0 of 16 pairs turn right")


def test_a_straight_line_is_not_sharp():
    """It turns at 60 %, and its rise takes eight tenths of the way."""
    replacement = replaced({FIRST: line, SECOND: line})

    assert found(LOCATION, replacement).verdict is Verdict.SUPPORTED
    judged = found(SHARPNESS, replacement)
    assert judged.verdict is Verdict.REFUTED
    assert judged.estimate.value == pytest.approx(0.8)


def test_equal_widths_are_sharp():
    """Steps on one grid have equal widths, except for one that is wider. They are sharp."""
    wide = np.clip((AMOUNTS - 0.5) / 0.2, 0, 1) * 2 - 1
    rules = {FIRST: lambda rng: np.where(AMOUNTS < 0.6, -1.0, 1.0)}

    judged = found(SHARPNESS, replaced(rules, more=[swept({FIRST: lambda rng: wide}, ["7.8 > 7.11"])]))

    assert (judged.verdict, judged.estimate.low, judged.estimate.high) == (Verdict.SUPPORTED, 0.01, 0.01)


@pytest.mark.parametrize(
    ("donor", "expected"), [(0.6, Verdict.REFUTED), (0.63, Verdict.REFUTED), (0.8, Verdict.SUPPORTED)]
)
def test_a_uniform_donor_that_does_as_well_refutes_the_right_pattern(donor, expected):
    """A uniform donor that turns the same answers at the same place shows that the pattern does not matter."""
    judged = found(PATTERN, replaced({FIRST: step(0.6), SECOND: step(0.6)}, {FIRST: step(donor), SECOND: step(donor)}))

    assert judged.verdict is expected


def test_a_uniform_donor_that_turns_nothing_supports_the_right_pattern():
    """Only answers that the Simple pattern turns are counted."""
    judged = found(PATTERN, replaced({FIRST: step(0.6), SECOND: flat}))

    assert (judged.verdict, judged.estimate.n) == (Verdict.SUPPORTED, len(PAIRS))


def test_a_perfect_step_in_one_order_is_supported_and_names_the_order():
    """The bug exists in 16 of 16 pairs in one order. That is a fact about the bug and not about its repair."""
    replacement = replaced({FIRST: step(0.6)})

    for test in (LOCATION, SHARPNESS, PATTERN):
        assert found(test, replacement).verdict is Verdict.SUPPORTED
    assert "bigger first (16 pairs), no prompt with bigger second" in replacement.notes()[0]


@pytest.mark.parametrize("pair", [PAIRS[0], "7.8 > 7.11"])
def test_one_failure_in_the_other_order_does_not_matter(pair):
    """16 of 16 prompts turn at 60 % in one order. The only prompt of the other order never turns."""
    judged = found(LOCATION, replaced({FIRST: step(0.6)}, more=[swept({SECOND: flat}, [pair])]))

    assert judged.verdict is Verdict.SUPPORTED


def test_a_place_at_the_edge_of_the_claim_is_seldom_supported_or_refuted():
    """In each of 500 worlds, each crossing is in the band with probability one half, which is the limit."""
    replacement = replaced({FIRST: step(0.6)})
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(500):
        crossing = np.where(rng.random(len(PAIRS)) < 0.5, 0.6, rng.choice([0.3, 0.9, np.inf], len(PAIRS)))
        table = pd.DataFrame({"pair": PAIRS, "order": FIRST, "crossing_share": crossing})
        verdicts.append(verdict(SIXTY_PERCENT, Evidence(Estimates(replacement._in_band(table)))).verdict)

    assert np.mean([found is Verdict.SUPPORTED for found in verdicts]) <= 0.05
    assert np.mean([found is Verdict.REFUTED for found in verdicts]) <= 0.05


def test_every_layer_has_its_own_place_and_width():
    """A layer at which nothing turns has no crossing in the band, its width is infinite, and it needs no pattern.

    At layer 2 uniform attention turns nothing. At layer 3 it turns the same answers at the same place.
    """
    places = {2: (step(0.6), flat), 3: (step(0.3), step(0.3)), 4: (flat, flat)}
    arms = (thresholds.ALIGNED.name, thresholds.UNINFORMED.name)
    tables = {
        layer: {arm: swept({FIRST: shape}) for arm, shape in zip(arms, shapes, strict=True)}
        for layer, shapes in places.items()
    }

    replacement = Replacement(
        {**tables[2], thresholds.OWN.name: tables[2][arms[0]]},
        SETTINGS,
        band=within(*CROSSING_BAND),
        has_bos=True,
        by_layer=tables,
    )

    assert replacement.in_band_by_layer() == {2: 1.0, 3: 0.0, 4: 0.0}
    widths = replacement.width_by_layer()
    assert (widths[4], widths[2] < 0.02, widths[3] < 0.02) == (np.inf, True, True)
    assert replacement.needs_the_pattern_by_layer() == {2: 1.0, 3: 0.0, 4: 0.0}


def repaired(populations, pairs=PAIRS, orders=ORDERS, per_count=1):
    """Returns the evidence of a world of 32 heads. Each population has a rule for the heads of a subset."""
    rng = np.random.default_rng(0)
    heads = {"even": range(0, 32, 2), "odd": range(1, 32, 2), "any": range(32)}
    counts = {"even": range(1, 17), "odd": (4, 8, 16), "any": (4, 8, 32)}
    tables = {}
    for population, rule in populations.items():
        rows = [
            (pair, order, population, count, chosen, rule(chosen))
            for pair in pairs for order in orders for count in counts[population]
            for chosen in subsets.distinct_subsets(list(heads[population]), count, per_count, rng)
        ]  # fmt: skip
        table = pd.DataFrame(rows, columns=["pair", "order", "population", "count", "heads", "right"])
        tables[population] = table.assign(top_answer=np.where(table["right"], "right", "wrong"))
    bits = pd.DataFrame({"head": range(32), "entropy_bits": 2.0})
    return Subsets(tables, bits, SETTINGS, needed=8, sufficient=0.9)


def eight(chosen):
    return len(chosen) >= 8


def eight_even(chosen):
    return sum(head % 2 == 0 for head in chosen) >= 8


MANY = [f"{whole}.9 > {whole}.{fraction}1" for whole in range(1, 10) for fraction in range(1, 5)]


def of_halves(evidence):
    return finding_of(HALF_OF_THEM, head_subsets=evidence, attack_on_subsets=Attack(tried=0, counterexample=None))


def test_eight_even_heads_are_supported():
    """With 36 pairs, the exact interval of 36 of 36 reaches 90 %."""
    evidence = repaired({"even": eight_even, "odd": eight_even, "any": eight_even}, MANY, (FIRST,))

    assert of_halves(evidence).verdict is Verdict.SUPPORTED
    assert finding_of(OTHER_HEADS, head_subsets=evidence).verdict is Verdict.SUPPORTED
    assert "Prompts: 36 with bigger first, 0 with bigger second." in evidence.notes()


def test_any_eight_heads_refute_that_even_heads_are_necessary():
    """Eight even heads are enough and seven are not, but this is also true for any eight heads."""
    evidence = repaired({"even": eight, "odd": eight, "any": eight}, MANY)

    assert of_halves(evidence).verdict is Verdict.SUPPORTED
    judged = finding_of(OTHER_HEADS, head_subsets=evidence)
    assert judged.verdict is Verdict.REFUTED
    assert {name: share.value for name, share in judged.parts.items()} == {"odd heads": 1.0, "heads of any kind": 1.0}


def test_odd_heads_alone_refute_that_even_heads_are_necessary():
    """Any eight heads of all are mixed and do not repair, but eight odd heads do."""
    evidence = repaired(
        {"even": eight, "odd": eight, "any": lambda chosen: len(chosen) == 32 and eight(chosen)}, MANY, (FIRST,)
    )

    judged = finding_of(OTHER_HEADS, head_subsets=evidence)

    assert (judged.verdict, judged.decisive) == (Verdict.REFUTED, "odd heads")


def test_every_layer_has_its_own_subsets():
    """At layer 2 eight even heads are enough and seven are not. At layer 3 seven are enough. At layer 4 none repair.

    At layer 2 other heads do not repair. At layer 3 any heads do, and at layer 4 odd heads do.
    """
    rules = {
        2: (eight_even, eight_even, lambda chosen: False),
        3: (lambda chosen: len(chosen) >= 7,) * 3,
        4: (lambda chosen: False, eight, lambda chosen: False),
    }
    populations = ("even", "odd", "any")
    tables = {layer: repaired(dict(zip(populations, rule, strict=True)))._tables for layer, rule in rules.items()}
    bits = pd.DataFrame({"head": range(32), "entropy_bits": 2.0})

    evidence = Subsets(tables[2], bits, SETTINGS, needed=8, sufficient=0.9, by_layer=tables)

    assert evidence.as_claimed_by_layer() == {2: 1.0, 3: 0.0, 4: 0.0}
    assert evidence.repaired_by_others_by_layer() == {2: 0.0, 3: 1.0, 4: 1.0}


def test_the_repair_by_other_heads_is_not_shown_as_chance():
    """Even heads are the cause in the claim, and other heads repair or not for reasons of their own."""
    world = repaired({"even": eight, "odd": lambda chosen: False, "any": eight})

    for claim, against in ((EIGHT_HEADS, world.other_populations()), (ONLY_EVEN_HEADS, world.even_heads_alone())):
        assert against
        assert verdict(claim, Evidence(Estimates(world.as_claimed()), against=against)).chance is None


@pytest.mark.slow
@pytest.mark.parametrize("per_count", [1, 5])
def test_sixteen_counts_at_the_limit_are_seldom_refuted(per_count):
    """At each count exactly 90 % of the subsets do as claimed. At most 5 % of such worlds are refuted."""
    rng = np.random.default_rng(1)
    even = repaired({"even": eight, "odd": eight, "any": eight}, MANY, (FIRST,), per_count)
    table, others = even._tables["even"], {name: even._tables[name] for name in ("odd", "any")}
    bits = pd.DataFrame({"head": range(32), "entropy_bits": 2.0})
    refuted = []
    for _ in range(200):
        right = (table["count"] >= 8) ^ (rng.random(len(table)) >= 0.9)
        world = Subsets({"even": table.assign(right=right), **others}, bits, SETTINGS, needed=8, sufficient=0.9)
        refuted.append(verdict(EIGHT_HEADS, Evidence(Estimates(world.as_claimed()))).verdict is Verdict.REFUTED)

    assert np.mean(refuted) <= 0.05
