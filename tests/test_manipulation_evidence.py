"""The evidence of claim 1.2a on tables of edited right answers that are made by hand."""

from __future__ import annotations

from functools import partial

import pytest
from by_hand import BOTH, NEITHER, SETTINGS, edited

from claims.competition.edited import Edited
from claims.competition.share_manipulation.evidence import Manipulation
from claims.competition.share_manipulation.measure import share_arm
from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_HEADS_BREAK, THEORY
from referee.judging.evidence import Evidence
from referee.judging.findings import judged
from referee.judging.verdict import Verdict

TARGET = 0.3
BREAKING = {share_arm("even", TARGET): BOTH, share_arm("odd", TARGET): NEITHER}


def breaking(share_before, placebo):
    """Returns the finding on right answers that break when the even heads get a share of 30 %.

    `share_before` is their share without an edit. `placebo` says in which orders the placebo breaks answers.
    """
    repaired = edited(BREAKING | {share_arm("even", TARGET, "other"): placebo})
    manipulation = Manipulation(
        Edited(repaired.table.assign(right=~repaired.table["right"]), SETTINGS, wrong_before=False),
        None,
        [],
        shares_before=dict.fromkeys(repaired.turned(share_arm("even", TARGET)).index, share_before),
        threshold=0.4,
    )
    evidence = Evidence(
        estimate=in_both_orders(partial(manipulation.broken, [TARGET])),
        against=manipulation.against_breaking(TARGET),
        notes=manipulation.notes_on_breaking(TARGET),
    )
    return judged(EVEN_HEADS_BREAK, evidence, THEORY)


@pytest.mark.parametrize(("other", "share"), [(NEITHER, 0.0), (BOTH, 1.0)])
def test_starving_is_supported_when_it_breaks(other, share):
    """The effect of the same share on other tokens is shown. Its mass also comes from the numbers, so it is no veto."""
    found = breaking(0.6, other)

    assert found.verdict is Verdict.SUPPORTED
    assert [world.value for world in found.evidence.against if "neither" in world.world] == [share]


def test_an_edit_that_feeds_does_not_starve():
    """Right answers whose even heads are below the target without an edit are evidence against the claim."""
    found = breaking(0.1, NEITHER)

    assert found.verdict is Verdict.REFUTED
    assert "In 32 of 32 right answers the even heads are below 30% unedited" in found.evidence.notes[-1]
