"""Experiment 4.2: how many heads turn the answer, and which heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import EIGHT_HEADS, ONLY_EVEN_HEADS
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.head_subsets.evidence import Subsets
    from fixtures.attacks import Attack
    from fixtures.ledger import Judge


@pytest.mark.claim(EIGHT_HEADS)
def test_half_of_the_even_heads_are_enough_and_one_fewer_is_not(
    head_subsets: Subsets, attack_on_subsets: Attack, judge: Judge
) -> None:
    """Headline 4: any eight of the sixteen even heads turn the answer if they get the right patterns. No seven do."""
    judge(
        Evidence(
            estimate=in_both_orders(head_subsets.as_claimed),
            against=head_subsets.other_populations(),
            variants=head_subsets.variants(),
            counterexample=attack_on_subsets.counterexample or head_subsets.closest_to_the_limit(),
            notes=(*head_subsets.notes(), attack_on_subsets.summary),
            drawing=head_subsets.drawing(),
            data=head_subsets.data,
            by_layer=head_subsets.as_claimed_by_layer(),
        )
    )


@pytest.mark.claim(ONLY_EVEN_HEADS)
def test_as_many_other_heads_do_not_turn_the_answer(head_subsets: Subsets, judge: Judge) -> None:
    """Headline 4: even heads are necessary. As many odd heads turn few answers, and so do as many of any kind."""
    judge(
        Evidence(
            estimate=in_both_orders(head_subsets.repaired_by_others),
            against=head_subsets.even_heads_alone(),
            variants=head_subsets.variants_of_others(),
            notes=head_subsets.notes_on_numbers(),
            drawing=head_subsets.drawing(),
            data=head_subsets.data,
            by_layer=head_subsets.repaired_by_others_by_layer(),
        )
    )
