"""Experiment set 1: how heads divide attention between numbers and format, and whether the answer depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.theory import (
    DROP_AT_SIXTY,
    DUE_TO_FORMAT,
    EVEN_HEADS_BREAK,
    EVEN_HEADS_HOLD,
    EVEN_TARGETS,
    FALLS_WITH_FORMAT,
    ODD_HEADS_FALL,
    ODD_HEADS_MEND,
    ODD_SHARE,
)

if TYPE_CHECKING:
    from claims.competition.bandwidth_distribution.evidence import BandwidthEvidence
    from claims.competition.format_injection.evidence import InjectionEvidence
    from claims.competition.share_manipulation.evidence import ManipulationEvidence
    from fixtures.attacks import Attack
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_HOLD)
def test_even_heads_keep_most_of_their_attention_on_the_numbers_in_every_format(
    bandwidth: BandwidthEvidence, attack_on_formats: Attack, judge: Judge
) -> None:
    """Headline 1: the numerical bandwidth of the even heads stays high in every format."""
    criterion = judge.claim.criterion
    judge(
        **bandwidth.asked("even", bandwidth.formats, criterion, attack_on_formats),
        notes=(*(bandwidth.heads_meeting(criterion, name) for name in bandwidth.formats), attack_on_formats.summary),
    )


@pytest.mark.claim(ODD_HEADS_FALL)
def test_odd_heads_lose_their_attention_on_the_numbers_in_the_question_format(
    bandwidth: BandwidthEvidence, judge: Judge
) -> None:
    """Headline 2: the numerical bandwidth of the odd heads is low in Q&A. It fell only if it was high in Simple."""
    criterion = judge.claim.criterion
    judge(
        **bandwidth.asked("odd", ["Q&A"], criterion),
        notes=(bandwidth.fall(criterion), bandwidth.heads_meeting(criterion, "Q&A")),
    )


@pytest.mark.usefixtures("right_answers")
@pytest.mark.claim(EVEN_HEADS_BREAK)
def test_even_heads_starved_of_numbers_break_right_answers(manipulation: ManipulationEvidence, judge: Judge) -> None:
    """An edit sets the even heads below 40 % on the numbers. Right answers turn wrong."""
    judge(**manipulation.starved(EVEN_TARGETS))


@pytest.mark.usefixtures("bug_set")
@pytest.mark.claim(ODD_HEADS_MEND)
def test_odd_heads_fed_with_numbers_mend_wrong_answers(manipulation: ManipulationEvidence, judge: Judge) -> None:
    """An edit sets the odd heads to 50 % on the numbers. Wrong answers turn right."""
    judge(**manipulation.fed(ODD_SHARE))


@pytest.mark.claim(FALLS_WITH_FORMAT)
def test_attention_on_the_numbers_falls_with_the_share_of_format_tokens(
    injection: InjectionEvidence, judge: Judge
) -> None:
    """More format tokens leave less attention for the numbers. Other added tokens have a smaller effect."""
    judge(**injection.falling(DUE_TO_FORMAT))


@pytest.mark.claim(DROP_AT_SIXTY)
def test_accuracy_drops_at_sixty_percent_of_format_tokens(injection: InjectionEvidence, judge: Judge) -> None:
    """Accuracy changes at a share of format tokens near 60 %."""
    judge(**injection.dropping())
