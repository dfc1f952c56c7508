"""What claim 1.2a makes of right answers under edits."""

from __future__ import annotations

import pytest
from by_hand import BOTH, NEITHER, SETTINGS, edited, verdict

from claims.competition.edited import Edited
from claims.competition.interventions import share_arm
from claims.competition.share_manipulation.evidence import ManipulationEvidence
from claims.competition.theory import EVEN_HEADS_BREAK
from referee.judging.verdict import Verdict

STARVED = {share_arm("even", 0.3): BOTH, share_arm("odd", 0.3): NEITHER}


def starved(shares_before, placebo):
    """Right answers that break when the even heads get 30 %; what they had before, and what the placebo does."""
    held = edited(STARVED | {share_arm("even", 0.3, "other"): placebo})
    flipped = held.table.assign(right=~held.table["right"])
    evidence = ManipulationEvidence(
        Edited(flipped, SETTINGS, wrong_before=False),
        None,
        [],
        shares_before=dict.fromkeys(held.turned(share_arm("even", 0.3)).index, shares_before),
        threshold=0.4,
    )
    evidence.figure = lambda: None
    evidence._told = lambda: ""
    return verdict(EVEN_HEADS_BREAK, evidence.starved([0.3]))


@pytest.mark.parametrize(("other", "share"), [(NEITHER, 0.0), (BOTH, 1.0)])
def test_starving_is_supported_when_it_breaks(other, share):
    """What as much attention on other tokens does is shown; that starves the numbers as well, and is no veto."""
    found = starved(0.6, other)

    assert found.verdict is Verdict.SUPPORTED
    assert [world.value for world in found.chance if "neither" in world.world] == [share]


def test_an_edit_that_feeds_does_not_starve():
    """Right answers of even heads that had less beforehand hold in spite of it: they speak against the claim."""
    found = starved(0.1, NEITHER)

    assert found.verdict is Verdict.REFUTED
    assert "In 32 of 32 right answers the even heads are below 30% unedited" in found.notes[-1]
