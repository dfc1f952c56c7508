"""Experiment 2.1: does the last token attend to the numbers in even heads?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_HEADS_ROUTE, EVEN_ROUTE_MORE
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.last_token_routes.evidence import Routes
    from fixtures.ledger import Judge


@pytest.mark.claim(EVEN_HEADS_ROUTE)
def test_even_heads_take_the_last_token_to_the_numbers(routes: Routes, judge: Judge) -> None:
    """In the even heads, the last token gives a tenth of its attention, or more, to the numbers."""
    judge(
        Evidence(
            estimate=in_both_orders(routes.of_even_heads),
            against=(
                routes.uniform_attention(),
                *routes.of_other_head_groups(),
                *routes.at_other_layers(routes.of_even_heads),
            ),
            variants={"each of the six places": routes.to_each_place()},
            drawing=routes.drawing(threshold=EVEN_HEADS_ROUTE.criterion.low),
            data=routes.data,
        )
    )


@pytest.mark.claim(EVEN_ROUTE_MORE)
def test_even_heads_take_the_last_token_to_the_numbers_more_than_odd_heads(routes: Routes, judge: Judge) -> None:
    """In the even heads, the last token gives more attention to the numbers than in the odd heads."""
    judge(
        Evidence(
            estimate=in_both_orders(routes.excess_of_even_heads),
            against=(
                *routes.excess_of_other_head_groups(),
                *routes.at_other_layers(routes.excess_of_even_heads),
            ),
            drawing=routes.drawing(threshold=EVEN_HEADS_ROUTE.criterion.low),
            data=routes.data,
        )
    )
