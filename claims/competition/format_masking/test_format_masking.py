"""Experiment 5.2: masks take attention from format tokens in single heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import MASK_REPAIRS, MASK_REPAIRS_MORE, MOST
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
            by_layer=masks.by_layer(),
        )
    )


@pytest.mark.claim(MASK_REPAIRS_MORE)
def test_masking_format_tokens_repairs_more_in_odd_heads(masks: Masks, judge: Judge) -> None:
    """A mask hides format tokens wholly from other groups of as many heads. The margin rises less."""
    judge(masks.wholly.evidence_of_more(masks.wholly.notes()))
