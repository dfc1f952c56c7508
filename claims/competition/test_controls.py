"""Controls: edits that should have little effect if the theory explains its own experiments correctly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.theory import FAULTY_DONOR_IDLE, MOST, OTHER_LAYERS_IDLE, OTHER_TOKENS_IDLE, RANDOM_HEADS_IDLE

if TYPE_CHECKING:
    from claims.competition.head_subsets.evidence import SubsetEvidence
    from claims.competition.repair_evidence import LayerEvidence, RepairEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(FAULTY_DONOR_IDLE)
def test_a_donor_of_the_faulty_format_does_little(layers: LayerEvidence, judge: Judge) -> None:
    """The Q&A prompt of another pair gives its whole pattern, token by token. Few answers turn."""
    judge(**layers.faulty_donor(MOST))


@pytest.mark.claim(OTHER_TOKENS_IDLE)
def test_attention_moved_to_other_tokens_does_little(repair: RepairEvidence, judge: Judge) -> None:
    """The format attention of the odd heads moves to tokens that are neither format nor numbers. Few answers turn."""
    judge(**repair.elsewhere_moved())


@pytest.mark.claim(RANDOM_HEADS_IDLE)
def test_random_heads_do_little(head_subsets: SubsetEvidence, judge: Judge) -> None:
    """A repair of random heads turns few answers. Their number is the number of even heads that the theory requires."""
    judge(**head_subsets.random_heads())


@pytest.mark.claim(OTHER_LAYERS_IDLE)
def test_other_layers_do_little(layers: LayerEvidence, judge: Judge) -> None:
    """The edit replaces the whole pattern at another layer. Few answers turn."""
    judge(**layers.other_layers(MOST))
