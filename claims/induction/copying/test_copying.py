"""Experiments I2 and I3: is a repetition predicted, and by which heads?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.induction.theory import HEADS_COPY, REPETITION_PREDICTED
from referee.judging.evidence import Estimates, Evidence

if TYPE_CHECKING:
    from claims.induction.copying.evidence import Copying, KnockedOut
    from fixtures.ledger import Judge


@pytest.mark.claim(REPETITION_PREDICTED)
def test_what_was_seen_once_is_predicted_when_it_comes_again(copying: Copying, judge: Judge) -> None:
    """Random tokens come for the second time. More of them are the most likely next token than the first time."""
    judge(
        Evidence(
            estimate=Estimates(copying.gain()),
            against=(copying.without_repetition(),),
            variants=copying.variants(),
            counterexample=copying.least_gain(judge.claim.criterion),
            notes=copying.notes(),
            drawing=copying.drawing(),
            data=copying.data,
        )
    )


@pytest.mark.claim(HEADS_COPY)
def test_without_the_induction_heads_copying_fails(knocked_out: KnockedOut, judge: Judge) -> None:
    """The top heads are knocked out. More than a third of the right copies are lost, and more than in other heads."""
    criterion = judge.claim.criterion
    judge(
        Evidence(
            estimate=Estimates(knocked_out.lost()),
            against=knocked_out.against(),
            variants=knocked_out.variants(),
            incomparable=knocked_out.incomparable,
            counterexample=knocked_out.least_lost(criterion),
            notes=knocked_out.notes(),
            drawing=knocked_out.drawing(criterion.low),
            data=knocked_out.data,
        )
    )
