"""The strata of the evidence: the two orders of the numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from claims.competition.prompts import ORDERS
from referee.judging.evidence import Estimates

if TYPE_CHECKING:
    from referee.judging.evidence import Parts


def in_both_orders(measure: Callable[[str | None], Parts]) -> Estimates:
    """Returns the estimates over both orders of the numbers together, and in each order.

    `measure` takes one order, or None for both.
    """
    return Estimates.of(measure, ORDERS)
