"""Experiment set 1: how attention is shared between numbers and format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.theory import EVEN_HEADS_HOLD, ODD_HEADS_FALL

if TYPE_CHECKING:
    from fixtures.evidence import BandwidthEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_HOLD)
def test_even_heads_keep_most_of_their_attention_on_the_numbers_in_every_format(
    bandwidth: BandwidthEvidence, judge: Judge
) -> None:
    """Headline 1: the even heads' numerical bandwidth stays high whatever the format."""
    threshold = judge.claim.criterion.low
    judge(
        parts=bandwidth.share("even", bandwidth.formats),
        chance=bandwidth.chance("even", bandwidth.formats, sign=+1),
        variants=bandwidth.variants("even", bandwidth.formats),
        incomparable=("enrichment",),
        counterexample=bandwidth.counterexample("even", bandwidth.formats, judge.claim.criterion),
        notes=tuple(bandwidth.heads_meeting(judge.claim.criterion, name) for name in bandwidth.formats),
        figure=bandwidth.figure(threshold),
        alt=bandwidth.alt,
        data=bandwidth.data,
    )


@pytest.mark.claim(ODD_HEADS_FALL)
def test_odd_heads_lose_their_attention_on_the_numbers_in_the_question_format(
    bandwidth: BandwidthEvidence, judge: Judge
) -> None:
    """Headline 2: the odd heads' numerical bandwidth is low in Q&A (a fall only if it was high in Simple)."""
    before = bandwidth.share("odd", ["Simple"])["Simple"]
    judge(
        parts=bandwidth.share("odd", ["Q&A"]),
        chance=bandwidth.chance("odd", ["Q&A"], sign=-1),
        variants=bandwidth.variants("odd", ["Q&A"]),
        incomparable=("enrichment",),
        counterexample=bandwidth.counterexample("odd", ["Q&A"], judge.claim.criterion),
        notes=(f"In Simple it was {before.value:.3f} [{before.low:.3f}, {before.high:.3f}]" + (
                   "." if before.low > judge.claim.criterion.high else ": it did not fall, it was low already."),
               bandwidth.heads_meeting(judge.claim.criterion, "Q&A")),
        figure=bandwidth.figure(judge.claim.criterion.high),
        alt=bandwidth.alt,
        data=bandwidth.data,
    )  # fmt: skip
