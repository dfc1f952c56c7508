"""Claims that combine several experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.theory import COMPETITION_DECIDES, DUE_TO_FORMAT, EVEN_TARGETS, ODD_SHARE

if TYPE_CHECKING:
    from claims.competition.repair_evidence import CompetitionEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(COMPETITION_DECIDES)
def test_competition_with_format_tokens_decides_the_answer(competition: CompetitionEvidence, judge: Judge) -> None:
    """Headline 5: bandwidth falls because of format tokens. An edit that gives or takes bandwidth turns answers."""
    judge(**competition.together(EVEN_TARGETS, ODD_SHARE, DUE_TO_FORMAT, judge.claim.criterion.low))
