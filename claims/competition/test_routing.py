"""Experiment set 2: how information flows from the numbers to the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.theory import CRITICAL_EDGES, EVEN_HEADS_ROUTE, EVEN_HEADS_STEADY, EVEN_ROUTE_MORE

if TYPE_CHECKING:
    from claims.competition.routing_evidence import PathsEvidence, PositionEvidence, RoutesEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_ROUTE)
def test_even_heads_take_the_last_token_to_the_numbers(routes: RoutesEvidence, judge: Judge) -> None:
    """In the even heads, the last token gives a tenth of its attention, or more, to the numbers."""
    judge(**routes.routed(less_odd=False))


@pytest.mark.claim(EVEN_ROUTE_MORE)
def test_even_heads_take_the_last_token_to_the_numbers_more_than_odd_heads(
    routes: RoutesEvidence, judge: Judge
) -> None:
    """In the even heads, the last token gives more attention to the numbers than in the odd heads."""
    judge(**routes.routed(less_odd=True))


@pytest.mark.claim(CRITICAL_EDGES)
def test_the_edges_that_matter_lead_to_numbers_in_even_heads(paths: PathsEvidence, judge: Judge) -> None:
    """The strongest edges of even heads lead to numbers more often than those of odd heads.

    The strength of an edge is gradient × probability.
    """
    judge(**paths.leading())


@pytest.mark.claim(EVEN_HEADS_STEADY)
def test_even_heads_vary_less_with_the_place_of_the_numbers(positions: PositionEvidence, judge: Judge) -> None:
    """The numerical bandwidth of the even heads varies less over six placements of the same comparison."""
    judge(**positions.steadier())
