"""Experiment 3.1: are even and odd heads two kinds of heads?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_HEADS_ALIKE
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.head_similarity.evidence import Similarity
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_ALIKE)
def test_even_heads_resemble_each_other_more_than_odd_heads(similarity: Similarity, judge: Judge) -> None:
    """The patterns of two even heads correlate more than the patterns of an even and an odd head."""
    judge(
        Evidence(
            estimate=in_both_orders(similarity.advantage_of_even_heads),
            against=similarity.advantage_of_other_head_groups(),
            variants=similarity.other_measures(),
            notes=similarity.notes(),
            drawing=similarity.drawing(),
            data=similarity.data,
            by_layer=similarity.by_layer(judge.claim.criterion),
        )
    )
