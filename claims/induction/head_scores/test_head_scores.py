"""Experiments I1 and S1: what do heads attend to in a sequence that is repeated?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.induction.theory import HEADS_MATCH, MOST_REST
from referee.judging.evidence import Estimates, Evidence

if TYPE_CHECKING:
    from claims.induction.head_scores.evidence import HeadScores
    from fixtures.ledger import Judge


@pytest.mark.claim(HEADS_MATCH)
def test_some_heads_attend_to_what_followed_the_same_token_before(head_scores: HeadScores, judge: Judge) -> None:
    """A token occurs for the second time. The top heads attend to the token that followed it the first time."""
    criterion = judge.claim.criterion
    judge(
        Evidence(
            estimate=Estimates(head_scores.matching()),
            against=head_scores.against_matching(),
            variants=head_scores.variants_of_matching(),
            counterexample=head_scores.least_matching(criterion),
            notes=head_scores.notes_on_matching(),
            drawing=head_scores.drawing_of_matching(criterion.low),
            data=head_scores.data,
        )
    )


@pytest.mark.claim(MOST_REST)
def test_most_heads_rest_on_the_first_token(head_scores: HeadScores, judge: Judge) -> None:
    """More than half of the heads of layers 2 and higher give more than 0.3 of their attention to the first token."""
    judge(
        Evidence(
            estimate=Estimates(head_scores.resting()),
            against=(head_scores.uniform_resting(),),
            variants=head_scores.variants_of_resting(),
            counterexample=head_scores.least_resting(judge.claim.criterion),
            notes=head_scores.notes_on_resting(),
            drawing=head_scores.drawing_of_resting(),
            data=head_scores.data,
        )
    )
