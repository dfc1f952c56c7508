"""Experiment 5.2: masks take attention from format tokens in single heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import MASK_REPAIRS, MOST
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.format_masking.evidence import Masks
    from fixtures.ledger import Judge


@pytest.mark.claim(MASK_REPAIRS)
def test_masking_format_tokens_in_odd_heads_repairs(masks: Masks, judge: Judge) -> None:
    """A mask hides format tokens from the odd heads, wholly or in part. Wrong answers turn right."""
    judge(
        Evidence(
            estimate=in_both_orders(masks.hidden),
            against=masks.against(),
            variants=masks.variants(),
            counterexample=masks.unturned(),
            notes=masks.notes(MOST),
            drawing=masks.drawing(),
            data=masks.data,
        )
    )
