"""Experiment 1.3: what more and more format tokens around the same comparison do to attention and to accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import DROP_AT_SIXTY, FALLS_WITH_FORMAT, FORMAT_COSTS_MORE
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.format_injection.evidence import Injection
    from fixtures.ledger import Judge


@pytest.mark.claim(FALLS_WITH_FORMAT)
def test_attention_on_the_numbers_falls_with_the_share_of_format_tokens(injection: Injection, judge: Judge) -> None:
    """More format tokens leave less attention for the numbers."""
    judge(
        Evidence(
            estimate=in_both_orders(injection.correlation),
            variants=injection.other_measures(injection.correlation),
            notes=injection.notes_on_falling(),
            drawing=injection.drawing(),
            data=injection.table,
            unit="phrasings",
            by_layer=injection.correlation_by_layer(),
        )
    )


@pytest.mark.claim(FORMAT_COSTS_MORE)
def test_format_tokens_cost_more_attention_than_as_many_other_tokens(injection: Injection, judge: Judge) -> None:
    """Format tokens take more attention from the numbers than as many tokens of each filler do."""
    judge(
        Evidence(
            estimate=in_both_orders(injection.costs_more),
            variants=injection.other_measures(injection.costs_more),
            notes=injection.notes_on_costs(),
            data=injection.table,
            unit="phrasings",
            by_layer=injection.costs_more_by_layer(),
        )
    )


@pytest.mark.claim(DROP_AT_SIXTY)
def test_accuracy_drops_at_sixty_percent_of_format_tokens(injection: Injection, judge: Judge) -> None:
    """Accuracy changes at a share of format tokens near 60 %."""
    injection.require_right_answers()
    judge(
        Evidence(
            estimate=in_both_orders(injection.drop_at),
            against=injection.against_dropping(),
            variants=injection.drop_by_token(),
            counterexample=injection.furthest_from_drop(),
            notes=injection.notes_on_dropping(),
            drawing=injection.drawing(),
            data=injection.table,
            unit="phrasings",
        )
    )
