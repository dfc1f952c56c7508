"""Experiment 2.2: do the edges that matter most to the margin lead to the numbers in even heads?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import CRITICAL_EDGES
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.critical_edges.evidence import Paths
    from fixtures.ledger import Judge


@pytest.mark.claim(CRITICAL_EDGES)
def test_the_edges_that_matter_lead_to_numbers_in_even_heads(paths: Paths, judge: Judge) -> None:
    """The strongest edges of even heads lead to numbers more often than those of odd heads.

    The strength of an edge is gradient × probability.
    """
    criterion, excess = judge.claim.criterion, partial(paths.excess, "even", None)
    judge(
        Evidence(
            estimate=in_both_orders(excess),
            against=paths.of_other_groups("even", criterion),
            variants=paths.other_attribution(),
            notes=paths.notes(),
            drawing=paths.drawing(),
            data=paths.data,
            by_layer=paths.by_layer(criterion, excess),
        )
    )
