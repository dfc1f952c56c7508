"""Experiment I4: do the induction heads need previous-token heads?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.induction.theory import HEADS_FED
from referee.judging.evidence import Estimates, Evidence

if TYPE_CHECKING:
    from claims.induction.previous_tokens.evidence import Feeding
    from fixtures.ledger import Judge


@pytest.mark.claim(HEADS_FED)
def test_previous_token_heads_feed_the_induction_heads(feeding: Feeding, judge: Judge) -> None:
    """Heads that attend to the previous token are knocked out. The induction heads of higher layers match less."""
    judge(
        Evidence(
            estimate=Estimates(feeding.fall()),
            against=feeding.against(),
            variants=feeding.variants(),
            counterexample=feeding.least_fall(judge.claim.criterion),
            notes=feeding.notes(),
            drawing=feeding.drawing(),
            data=feeding.data,
        )
    )
