"""Experiment set 5: taking attention from format tokens, head by head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.theory import MASK_REPAIRS, MOST, SURGERY_REPAIRS

if TYPE_CHECKING:
    from fixtures.attacks import Attack
    from fixtures.evidence.repair import RepairEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(SURGERY_REPAIRS)
def test_moving_odd_heads_from_format_to_numbers_repairs(
    repair: RepairEvidence, attack_on_bugs: Attack, judge: Judge
) -> None:
    """Half of the odd heads' attention on format tokens, moved to the numbers, turns wrong answers right."""
    judge(**repair.surgery(attack_on_bugs))


@pytest.mark.claim(MASK_REPAIRS)
def test_masking_format_tokens_in_odd_heads_repairs(repair: RepairEvidence, judge: Judge) -> None:
    """With format tokens hidden from the odd heads, wholly or in part, wrong answers turn right."""
    judge(**repair.masked(MOST))
