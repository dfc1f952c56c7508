"""Claim B1: does the bug depend on the format, whichever number stands first?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.theory import BUG_OF_FORMAT
from referee.judging.evidence import Estimates, Evidence

if TYPE_CHECKING:
    from claims.competition.bug_of_format.evidence import BugOfFormat
    from fixtures.ledger import Judge


@pytest.mark.claim(BUG_OF_FORMAT)
def test_the_bug_is_one_of_format(bug_of_format: BugOfFormat, judge: Judge) -> None:
    """In both orders, most answers that differ between Simple and Q&A are right in Simple."""
    judge(
        Evidence(
            estimate=Estimates(bug_of_format.right_in_simple()),
            against=bug_of_format.against(),
            variants=bug_of_format.variants(),
            counterexample=bug_of_format.counterexample(),
            notes=bug_of_format.notes(),
            drawing=bug_of_format.drawing(),
            data=bug_of_format.table,
        )
    )
