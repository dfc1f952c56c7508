"""Experiment set 4: how much of the pattern, and how many heads, turn the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.theory import BUG_SET_MINIMUM, EIGHT_HEADS, SHARP, SIXTY_PERCENT

if TYPE_CHECKING:
    from claims.competition.head_subsets.evidence import SubsetEvidence
    from claims.competition.pattern_replacement.evidence import ReplacementEvidence
    from fixtures.attacks import Attack
    from fixtures.ledger import Judge


@pytest.mark.claim(SIXTY_PERCENT)
def test_the_answer_turns_right_when_sixty_percent_of_the_pattern_is_replaced(
    replacement: ReplacementEvidence, judge: Judge
) -> None:
    """Headline 3: the median margin turns positive at about 60 % replacement."""
    judge(**replacement.turning(judge.claim.criterion))


@pytest.mark.claim(SHARP)
def test_the_answer_turns_sharply(replacement: ReplacementEvidence, judge: Judge) -> None:
    """The margin rises from 10 % to 90 % within a tenth of the replacement. A straight line needs eight tenths."""
    replacement.require_turns(BUG_SET_MINIMUM)
    judge(**replacement.sharpness(SIXTY_PERCENT.criterion))


@pytest.mark.claim(EIGHT_HEADS)
def test_half_of_the_even_heads_are_enough_and_one_fewer_is_not(
    head_subsets: SubsetEvidence, attack_on_subsets: Attack, judge: Judge
) -> None:
    """Headline 4: any eight of the sixteen even heads turn the answer if they get the right patterns. No seven do."""
    judge(**head_subsets.counted(attack_on_subsets))
