"""Experiment X1: does the number of a sentence draw attention?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.new_theory.template.theory import NUMBER_DRAWS
from referee.judging.evidence import Estimates, Evidence

if TYPE_CHECKING:
    from claims.new_theory.template.number_attention.evidence import NumberAttention
    from fixtures.ledger import Judge


@pytest.mark.claim(NUMBER_DRAWS)
def test_the_number_draws_attention(number_attention: NumberAttention, judge: Judge) -> None:
    """The heads of the layer of interest give the number more than twice what uniform attention gives it."""
    criterion = judge.claim.criterion
    judge(
        Evidence(
            estimate=Estimates(number_attention.times_uniform()),
            against=number_attention.against(),
            variants=number_attention.variants(),
            counterexample=number_attention.lowest(criterion),
            drawing=number_attention.drawing(criterion),
            data=number_attention.data,
        )
    )
