"""Experiment 1.3: what more and more format tokens around the same comparison do to attention and to accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import DROP_AT_SIXTY, DUE_TO_FORMAT, FALLS_WITH_FORMAT
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.format_injection.evidence import Injection
    from fixtures.ledger import Judge


@pytest.mark.claim(FALLS_WITH_FORMAT)
def test_attention_on_the_numbers_falls_with_the_share_of_format_tokens(injection: Injection, judge: Judge) -> None:
    """More format tokens leave less attention for the numbers. Other added tokens have a smaller effect."""
    judge(
        Evidence(
            estimate=in_both_orders(injection.correlation),
            against=injection.against_falling(DUE_TO_FORMAT),
            variants=injection.other_measures(),
            notes=injection.notes_on_falling(),
            drawing=injection.drawing(),
            data=injection.table,
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
        )
    )
