"""Experiment 1.1: how heads divide their attention between the numbers and the format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_HEADS_HOLD, ODD_HEADS_FALL
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.bandwidth_distribution.evidence import Distribution
    from fixtures.attacks import Attack
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_HOLD)
def test_even_heads_keep_most_of_their_attention_on_the_numbers_in_every_format(
    bandwidth: Distribution, attack_on_formats: Attack, judge: Judge
) -> None:
    """Headline 1: the numerical bandwidth of the even heads stays high in every format."""
    criterion, formats = judge.claim.criterion, bandwidth.formats
    judge(
        Evidence(
            estimate=in_both_orders(partial(bandwidth.shares, "even", formats)),
            against=bandwidth.against("even", formats, criterion),
            variants=bandwidth.other_measures("even", formats),
            incomparable=bandwidth.other_units,
            counterexample=attack_on_formats.counterexample or bandwidth.furthest_from(criterion, "even", formats),
            notes=(*(bandwidth.heads_meeting(criterion, name) for name in formats), attack_on_formats.summary),
            drawing=bandwidth.drawing(criterion),
            data=bandwidth.data,
        )
    )


@pytest.mark.claim(ODD_HEADS_FALL)
def test_odd_heads_lose_their_attention_on_the_numbers_in_the_question_format(
    bandwidth: Distribution, judge: Judge
) -> None:
    """Headline 2: the numerical bandwidth of the odd heads is low in Q&A. It fell only if it was high in Simple."""
    criterion, formats = judge.claim.criterion, ["Q&A"]
    judge(
        Evidence(
            estimate=in_both_orders(partial(bandwidth.shares, "odd", formats)),
            against=bandwidth.against("odd", formats, criterion),
            variants=bandwidth.other_measures("odd", formats),
            incomparable=bandwidth.other_units,
            counterexample=bandwidth.furthest_from(criterion, "odd", formats),
            notes=(bandwidth.share_before(criterion), bandwidth.heads_meeting(criterion, "Q&A")),
            drawing=bandwidth.drawing(criterion),
            data=bandwidth.data,
        )
    )
