"""What must not happen: edits that should do nothing, if the theory reads its own experiments rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.theory import FAULTY_DONOR_IDLE, MOST, OTHER_LAYERS_IDLE, OTHER_TOKENS_IDLE, RANDOM_HEADS_IDLE

if TYPE_CHECKING:
    from fixtures.evidence.repair import LayerEvidence, RepairEvidence
    from fixtures.evidence.subsets import SubsetEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(FAULTY_DONOR_IDLE)
def test_a_donor_of_the_faulty_format_does_little(layers: LayerEvidence, judge: Judge) -> None:
    """The whole pattern of another pair's Q&A prompt, transplanted token by token, turns few answers."""
    judge(**layers.faulty_donor(MOST))


@pytest.mark.claim(OTHER_TOKENS_IDLE)
def test_attention_moved_to_other_tokens_does_little(repair: RepairEvidence, judge: Judge) -> None:
    """The odd heads' format attention, moved to tokens that are neither format nor numbers, turns few answers."""
    judge(**repair.elsewhere_moved())


@pytest.mark.claim(RANDOM_HEADS_IDLE)
def test_random_heads_do_little(head_subsets: SubsetEvidence, judge: Judge) -> None:
    """As many heads as suffice among the even ones, drawn from all, turn few answers."""
    judge(**head_subsets.random_heads())


@pytest.mark.claim(OTHER_LAYERS_IDLE)
def test_other_layers_do_little(layers: LayerEvidence, judge: Judge) -> None:
    """The whole pattern replaced at another layer turns few answers."""
    judge(**layers.other_layers(MOST))
