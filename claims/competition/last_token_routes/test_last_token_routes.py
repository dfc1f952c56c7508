"""Experiment 2.1: does the last token attend to the numbers in even heads?"""

from __future__ import annotations

from functools import partial
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
    criterion, level = judge.claim.criterion, partial(routes.level, "even", None)
    judge(
        Evidence(
            estimate=in_both_orders(level),
            against=(
                routes.uniform_attention(),
                *routes.of_random_groups("even", criterion),
                *routes.of_a_part("even", criterion),
                *routes.at_nearby_layers(criterion, level),
            ),
            variants={"each of the six places": routes.to_each_place()},
            drawing=routes.drawing(threshold=EVEN_HEADS_ROUTE.criterion.low),
            data=routes.data,
            by_layer=routes.by_layer(criterion, level),
        )
    )


@pytest.mark.claim(EVEN_ROUTE_MORE)
def test_even_heads_take_the_last_token_to_the_numbers_more_than_odd_heads(routes: Routes, judge: Judge) -> None:
    """In the even heads, the last token gives more attention to the numbers than in the odd heads."""
    criterion, excess = judge.claim.criterion, partial(routes.excess, "even", None)
    judge(
        Evidence(
            estimate=in_both_orders(excess),
            against=(
                *routes.of_other_groups("even", criterion),
                *routes.at_nearby_layers(criterion, excess),
            ),
            variants={"each of the six places": routes.excess_to_each_place()},
            drawing=routes.drawing(threshold=EVEN_HEADS_ROUTE.criterion.low),
            data=routes.data,
            by_layer=routes.by_layer(criterion, excess),
        )
    )
