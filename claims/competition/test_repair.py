"""Experiment set 5: edits take attention from format tokens in single heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.theory import MASK_REPAIRS, MOST, SURGERY_REPAIRS

if TYPE_CHECKING:
    from claims.competition.repair_evidence import RepairEvidence
    from fixtures.attacks import Attack
    from fixtures.ledger import Judge


@pytest.mark.claim(SURGERY_REPAIRS)
def test_moving_odd_heads_from_format_to_numbers_repairs(
    repair: RepairEvidence, attack_on_bugs: Attack, judge: Judge
) -> None:
    """Half of the attention of odd heads on format tokens moves to the numbers. Wrong answers turn right."""
    judge(**repair.surgery(attack_on_bugs))


@pytest.mark.claim(MASK_REPAIRS)
def test_masking_format_tokens_in_odd_heads_repairs(repair: RepairEvidence, judge: Judge) -> None:
    """A mask hides format tokens from the odd heads, wholly or in part. Wrong answers turn right."""
    judge(**repair.masked(MOST))
