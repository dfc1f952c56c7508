"""Experiment 1.2: do the answers depend on how much attention the heads give to the numbers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_HEADS_BREAK, EVEN_HEADS_BREAK_MORE, ODD_HEADS_REPAIR, ODD_HEADS_REPAIR_MORE
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.share_manipulation.evidence import Manipulation
    from fixtures.ledger import Judge


@pytest.mark.usefixtures("right_answers")
@pytest.mark.claim(EVEN_HEADS_BREAK)
def test_lowering_the_even_heads_share_breaks_right_answers(manipulation: Manipulation, judge: Judge) -> None:
    """An edit sets the even heads below 40 % on the numbers. Right answers turn wrong."""
    breaking = manipulation.breaking
    judge(
        Evidence(
            estimate=in_both_orders(breaking.broken),
            against=breaking.against(),
            variants=breaking.variants(),
            counterexample=breaking.mildest.unturned(),
            notes=breaking.notes(),
            drawing=manipulation.drawing(),
            data=manipulation.data,
            by_layer=breaking.by_layer(),
        )
    )


@pytest.mark.usefixtures("right_answers")
@pytest.mark.claim(EVEN_HEADS_BREAK_MORE)
def test_a_lower_share_breaks_more_in_even_heads_than_in_others(manipulation: Manipulation, judge: Judge) -> None:
    """The same edit in other groups of as many heads. The margin falls less."""
    judge(manipulation.breaking.evidence_of_more())


@pytest.mark.usefixtures("bug_set")
@pytest.mark.claim(ODD_HEADS_REPAIR)
def test_raising_the_odd_heads_share_turns_wrong_answers_right(manipulation: Manipulation, judge: Judge) -> None:
    """An edit sets the odd heads to 50 % on the numbers. Wrong answers turn right."""
    repair = manipulation.repair
    judge(
        Evidence(
            estimate=in_both_orders(repair.share),
            against=repair.against(),
            variants=repair.variants(),
            counterexample=repair.unturned(),
            notes=manipulation.notes_on_repair(),
            drawing=manipulation.drawing(),
            data=manipulation.data,
            by_layer=repair.by_layer(),
        )
    )


@pytest.mark.usefixtures("bug_set")
@pytest.mark.claim(ODD_HEADS_REPAIR_MORE)
def test_a_higher_share_helps_more_in_odd_heads_than_in_others(manipulation: Manipulation, judge: Judge) -> None:
    """The same edit in other groups of as many heads. The margin rises less."""
    judge(manipulation.repair.evidence_of_more(manipulation.repair.notes()))
