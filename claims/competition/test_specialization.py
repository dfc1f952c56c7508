"""Experiment set 3: are even and odd heads two kinds of heads, and do their patterns cause the difference?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.theory import EVEN_HEADS_ALIKE, EVEN_PATTERNS_HELP, ODD_PATTERNS_HARM

if TYPE_CHECKING:
    from claims.competition.specialization_evidence import SimilarityEvidence, SwapEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_ALIKE)
def test_even_heads_resemble_each_other_more_than_odd_heads(similarity: SimilarityEvidence, judge: Judge) -> None:
    """The patterns of two even heads correlate more than the patterns of an even and an odd head."""
    judge(**similarity.alike())


@pytest.mark.claim(EVEN_PATTERNS_HELP)
def test_even_patterns_in_odd_heads_raise_the_margin(swaps_on_bugs: SwapEvidence, judge: Judge) -> None:
    """The answer was wrong. Odd heads get the patterns of their even neighbours. The margin rises."""
    judge(**swaps_on_bugs.even_into_odd())


@pytest.mark.claim(ODD_PATTERNS_HARM)
def test_odd_patterns_in_even_heads_lower_the_margin(swaps_on_right: SwapEvidence, judge: Judge) -> None:
    """The answer was right. Even heads get the patterns of their odd neighbours. The margin falls."""
    judge(**swaps_on_right.odd_into_even())
