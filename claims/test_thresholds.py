"""Experiment set 4: how much repair it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.theory import BUG_SET_MINIMUM, SHARP, SIXTY_PERCENT

if TYPE_CHECKING:
    from fixtures.evidence import ReplacementEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(SIXTY_PERCENT)
def test_the_answer_turns_right_when_sixty_percent_of_the_pattern_is_replaced(
    replacement: ReplacementEvidence, judge: Judge
) -> None:
    """Headline 3: the median crossing of the margin lies around 60 % replacement."""
    judge(
        parts={"crossing": replacement.crossing()},
        chance=replacement.chance(),
        variants=replacement.variants(replacement.crossing),
        counterexample=replacement.counterexample(judge.claim.criterion),
        notes=replacement.notes(),
        figure=replacement.figure(judge.claim.criterion),
        alt=replacement.alt,
        data=replacement.data,
    )


@pytest.mark.claim(SHARP)
def test_the_answer_turns_sharply(replacement: ReplacementEvidence, judge: Judge) -> None:
    """The margin makes most of its way within a tenth of the replacement; a straight line needs eight tenths."""
    replacement.require_turns(BUG_SET_MINIMUM)
    judge(
        parts={"width": replacement.width()},
        chance=(replacement.straight_line,),
        variants=replacement.variants(replacement.width),
        notes=replacement.notes(),
        figure=replacement.figure(SIXTY_PERCENT.criterion),
        alt=replacement.alt,
        data=replacement.data,
    )
