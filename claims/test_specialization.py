"""Experiment set 3: are even and odd heads two kinds, and is it their patterns that make them so?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.theory import EVEN_HEADS_ALIKE, EVEN_PATTERNS_HELP, ODD_PATTERNS_HARM

if TYPE_CHECKING:
    from fixtures.evidence.specialization import SimilarityEvidence, SwapEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_ALIKE)
def test_even_heads_resemble_each_other_more_than_odd_heads(similarity: SimilarityEvidence, judge: Judge) -> None:
    """Patterns of two even heads correlate more than those of an even and an odd head."""
    judge(**similarity.alike())


@pytest.mark.claim(EVEN_PATTERNS_HELP)
def test_even_patterns_in_odd_heads_raise_the_margin(swaps_on_bugs: SwapEvidence, judge: Judge) -> None:
    """Where the answer was wrong, odd heads do better with their even neighbours' patterns."""
    judge(**swaps_on_bugs.even_into_odd())


@pytest.mark.claim(ODD_PATTERNS_HARM)
def test_odd_patterns_in_even_heads_lower_the_margin(swaps_on_right: SwapEvidence, judge: Judge) -> None:
    """Where the answer was right, even heads do worse with their odd neighbours' patterns."""
    judge(**swaps_on_right.odd_into_even())
