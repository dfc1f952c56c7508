"""Experiment 1.2: do the answers depend on how much attention the heads give to the numbers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_HEADS_BREAK, EVEN_HEADS_BREAK_MORE, ODD_HEADS_MEND, ODD_HEADS_MEND_MORE
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.share_manipulation.evidence import Manipulation
    from fixtures.ledger import Judge


@pytest.mark.usefixtures("right_answers")
@pytest.mark.claim(EVEN_HEADS_BREAK)
def test_even_heads_starved_of_numbers_break_right_answers(manipulation: Manipulation, judge: Judge) -> None:
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
def test_starving_even_heads_breaks_more_than_starving_other_heads(manipulation: Manipulation, judge: Judge) -> None:
    """The same edit in other groups of as many heads. The margin falls less."""
    judge(manipulation.breaking.evidence_of_more())


@pytest.mark.usefixtures("bug_set")
@pytest.mark.claim(ODD_HEADS_MEND)
def test_odd_heads_fed_with_numbers_mend_wrong_answers(manipulation: Manipulation, judge: Judge) -> None:
    """An edit sets the odd heads to 50 % on the numbers. Wrong answers turn right."""
    mending = manipulation.mending
    judge(
        Evidence(
            estimate=in_both_orders(mending.share),
            against=mending.against(),
            variants=mending.variants(),
            counterexample=mending.unturned(),
            notes=manipulation.notes_on_mending(),
            drawing=manipulation.drawing(),
            data=manipulation.data,
            by_layer=mending.by_layer(),
        )
    )


@pytest.mark.usefixtures("bug_set")
@pytest.mark.claim(ODD_HEADS_MEND_MORE)
def test_feeding_odd_heads_mends_more_than_feeding_other_heads(manipulation: Manipulation, judge: Judge) -> None:
    """The same edit in other groups of as many heads. The margin rises less."""
    judge(manipulation.mending.evidence_of_more(manipulation.mending.notes()))
