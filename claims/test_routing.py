"""Experiment set 2: how information gets from the numbers to the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.theory import CRITICAL_EDGES, EVEN_HEADS_ROUTE, EVEN_HEADS_STEADY, EVEN_ROUTE_MORE

if TYPE_CHECKING:
    from fixtures.evidence.routing import PathsEvidence, PositionEvidence, RoutesEvidence
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_ROUTE)
def test_even_heads_take_the_last_token_to_the_numbers(routes: RoutesEvidence, judge: Judge) -> None:
    """The last token's even heads give a tenth of their attention, or more, to the numbers."""
    judge(**routes.routed(less_odd=False))


@pytest.mark.claim(EVEN_ROUTE_MORE)
def test_even_heads_take_the_last_token_to_the_numbers_more_than_odd_heads(
    routes: RoutesEvidence, judge: Judge
) -> None:
    """The last token's even heads give more of their attention to the numbers than its odd heads."""
    judge(**routes.routed(less_odd=True))


@pytest.mark.claim(CRITICAL_EDGES)
def test_the_edges_that_matter_lead_to_numbers_in_even_heads(paths: PathsEvidence, judge: Judge) -> None:
    """Even heads' strongest edges, by gradient × probability, lead to numbers more often than odd heads'."""
    judge(**paths.leading())


@pytest.mark.claim(EVEN_HEADS_STEADY)
def test_even_heads_vary_less_with_the_place_of_the_numbers(positions: PositionEvidence, judge: Judge) -> None:
    """Over six placements of the same comparison the even heads' numerical bandwidth varies less."""
    judge(**positions.steadier())
