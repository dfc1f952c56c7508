"""The evidence of experiment 1.3 on simulated accuracies along the share of format tokens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from by_hand import finding_of

from claims.competition.format_injection import test_format_injection as claims
from claims.competition.format_injection.evidence import Injection
from claims.competition.format_injection.measure import LAYER, MEASURED, OF_THE_DOCUMENT
from claims.competition.phrasings import FILLERS
from claims.competition.prompts import ORDERS
from claims.competition.theory import DROP_AT_SIXTY
from referee.judging.evidence import NotApplicable
from referee.judging.verdict import Verdict

LENGTHS = (0, 1, 2, 4, 6, 8, 10, 11, 12, 13, 16, 24, 40)
DOCUMENT = (0, 2, 4, 8, 10)


def injection(accuracy=lambda share: share < 0.58, phrasings=12, filler=0.8, layers=()):
    """Returns the evidence of random answers whose accuracy is a function of the share of format tokens.

    The numerical share is one less the share of format tokens. With fillers it is `filler`.
    """
    rng = np.random.default_rng(0)
    rows = []
    for phrasing in range(-1, phrasings):
        name = f"instruction {phrasing + 1}" if phrasing >= 0 else OF_THE_DOCUMENT
        added = [("", length) for length in (LENGTHS if phrasing >= 0 else DOCUMENT)]
        added += [(kind, LENGTHS[-1]) for kind in FILLERS] if phrasing >= 0 else []
        for order in ORDERS:
            for kind, length in added:
                share = length / (8 + length)
                right = bool(rng.random() < accuracy(share))
                rows.append((name, f"pair {phrasing}", order, kind, f"{name} {length} {kind}", length, share,
                             filler if kind else 1 - share, right, 1.0 if right else -1.0))  # fmt: skip
    columns = ["phrasing", "pair", "order", "filler", "format", "format_tokens", "format_share", "numerical_share",
               "correct", "margin_logits"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table["top_answer"] = np.where(table["correct"], "right", "wrong")
    table[[f"{LAYER}{layer}" for layer in layers]] = np.outer(table["numerical_share"], [0, -1, 1][: len(layers)])
    table = pd.concat([table.assign(measure=name) for name in MEASURED], ignore_index=True)
    return Injection(table, share_threshold=0.4, drop=DROP_AT_SIXTY.criterion)


def test_the_three_claims_are_judged_on_phrasings():
    """The seed document's formats count for the fall of the share. They do not reach the drop and have no fillers."""
    evidence = injection()

    falls = finding_of(claims.test_attention_on_the_numbers_falls_with_the_share_of_format_tokens, injection=evidence)
    costs = finding_of(claims.test_format_tokens_cost_more_attention_than_as_many_other_tokens, injection=evidence)
    drops = finding_of(claims.test_accuracy_drops_at_sixty_percent_of_format_tokens, injection=evidence)

    assert [found.verdict for found in (falls, costs, drops)] == [Verdict.SUPPORTED] * 3
    assert [found.estimate.n for found in (falls, costs, drops)] == [13, 12, 12]
    assert set(costs.parts) == set(FILLERS)
    assert {variant.name for variant in drops.variants} == {"greedy token"}
    assert {variant.name for variant in falls.variants} == {"last row", "enrichment"}


def test_correlations_of_exactly_minus_one_still_support():
    """All phrasings but one have the correlation −1. Equal values at the end of the scale still support the claim."""
    evidence = injection()
    last = evidence.table["phrasing"] == "instruction 12"
    evidence.table.loc[last, "numerical_share"] += 0.2 * (evidence.table["format_tokens"] == 40)

    estimate = evidence.correlation()["all"]
    assert (estimate.low, estimate.high) == (-1, -1)


def test_the_interval_of_a_drop_contains_the_gap_in_which_it_is():
    """All phrasings turn wrong between the same two lengths, and the interval has the width of this gap."""
    estimate = injection().drop_at()["all"]

    assert (estimate.low, estimate.high) == (11 / 19, 12 / 20) or (estimate.low, estimate.high) == (10 / 18, 11 / 19)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.interval(0.001)[0] <= estimate.low


def test_without_a_fall_the_drop_is_at_one():
    """All answers right: every phrasing has the value 1, and so have both limits at every tail."""
    estimate = injection(lambda share: True).drop_at()["all"]

    assert (estimate.value, estimate.low, estimate.high) == (1, 1, 1)
    assert estimate.interval(0.01) == (1, 1)


def test_most_phrasings_without_a_fall_refute_the_drop():
    """Two of twelve phrasings fall at 0.58 and ten do not fall. The limits are then both 1, and this is no doubt."""
    evidence = injection()
    always = ~evidence.table["phrasing"].isin(["instruction 1", "instruction 2"])
    evidence.table.loc[always, ["correct", "margin_logits", "top_answer"]] = [True, 1.0, "right"]

    found = finding_of(claims.test_accuracy_drops_at_sixty_percent_of_format_tokens, injection=evidence)
    assert found.verdict is Verdict.REFUTED


def test_a_straight_decline_does_not_drop_at_its_middle():
    """A line predicts held-out phrasings of a straight decline better than a drop does. A step is not predicted so."""
    line, step = (injected.against_dropping() for injected in (injection(lambda s: 1 - s), injection()))

    assert [world.veto for world in line] == [True]
    assert "straight line" in line[0].world
    assert step == ()


def test_accuracy_that_does_not_depend_on_format_is_predicted_by_a_constant():
    """The chance world has a veto, so the claim cannot be SUPPORTED."""
    worlds = injection(lambda share: 0.5).against_dropping()

    assert any("constant" in world.world and world.veto for world in worlds)


def test_nothing_drops_where_nothing_is_right():
    """Without any right answer, the claim is NOT APPLICABLE."""
    with pytest.raises(NotApplicable, match="none is"):
        injection(lambda share: False).require_right_answers()


def test_fillers_that_cost_as_much_refute_the_cost_of_format():
    """The share of phrasings is then 0 for every filler."""
    parts = injection(filler=1 - 40 / 48).costs_more()

    assert {part.value for part in parts.values()} == {0.0}


def test_claims_on_attention_are_computed_at_every_layer():
    """At the three simulated layers the share is constant, rises and falls."""
    evidence = injection(layers=(0, 1, 2))

    assert evidence.correlation_by_layer() == pytest.approx({0: 0, 1: 1, 2: -1})
    assert evidence.costs_more_by_layer() == {0: 0, 1: 0, 2: 1}
    assert injection().correlation_by_layer() == injection().costs_more_by_layer() == {}


def test_notes_describe_the_fall_and_the_fillers():
    """The notes count phrasings and name each filler."""
    evidence = injection()

    assert "Over 13 phrasings" in evidence.notes_on_falling()[0]
    assert all(kind in evidence.notes_on_costs()[0] for kind in FILLERS)
    assert evidence.notes_on_dropping()[0].startswith("Accuracy falls in 12 of 12 phrasings. 100% of")
    assert evidence.furthest_from_drop() is None
    early = injection(lambda share: share < 0.3).furthest_from_drop()
    assert str(early) == f"{OF_THE_DOCUMENT} 4  (33% format tokens) with pair -1, {ORDERS[0]}: wrong, margin -1.00"


def test_the_figure_is_drawn_without_a_drop():
    """The figure says that there is no drop."""
    drawing = injection(lambda share: True).drawing()

    assert "at no single place" in drawing.alt
    assert drawing.draw().get_suptitle()
