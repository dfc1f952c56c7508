"""Experiment S2: is attention on the first token idle?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.induction.theory import REST_IDLE
from referee.judging.evidence import Estimates, Evidence

if TYPE_CHECKING:
    from claims.induction.idle_attention.evidence import Idle
    from fixtures.ledger import Judge


@pytest.mark.claim(REST_IDLE)
def test_attention_on_the_first_token_is_idle(idle: Idle, judge: Judge) -> None:
    """Moving attention from the first token to the others changes more than moving the same amount between them."""
    judge(
        Evidence(
            estimate=Estimates(idle.excess()),
            variants=idle.variants(),
            counterexample=idle.least_excess(judge.claim.criterion),
            notes=idle.notes(),
            drawing=idle.drawing(),
            data=idle.data,
        )
    )
