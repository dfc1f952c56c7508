"""Experiment 1.2: do the answers depend on how much attention the heads give to the numbers?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_HEADS_BREAK, EVEN_TARGETS, ODD_HEADS_MEND, ODD_SHARE
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.share_manipulation.evidence import Manipulation
    from fixtures.ledger import Judge


@pytest.mark.usefixtures("right_answers")
@pytest.mark.claim(EVEN_HEADS_BREAK)
def test_even_heads_starved_of_numbers_break_right_answers(manipulation: Manipulation, judge: Judge) -> None:
    """An edit sets the even heads below 40 % on the numbers. Right answers turn wrong."""
    broken, mildest = partial(manipulation.broken, EVEN_TARGETS), max(EVEN_TARGETS)
    judge(
        Evidence(
            estimate=in_both_orders(broken),
            against=manipulation.against_breaking(mildest),
            variants=manipulation.variants(broken),
            counterexample=manipulation.unbroken(mildest),
            notes=manipulation.notes_on_breaking(mildest),
            drawing=manipulation.drawing(),
            data=manipulation.data,
        )
    )


@pytest.mark.usefixtures("bug_set")
@pytest.mark.claim(ODD_HEADS_MEND)
def test_odd_heads_fed_with_numbers_mend_wrong_answers(manipulation: Manipulation, judge: Judge) -> None:
    """An edit sets the odd heads to 50 % on the numbers. Wrong answers turn right."""
    mended = partial(manipulation.mended, ODD_SHARE)
    judge(
        Evidence(
            estimate=in_both_orders(mended),
            against=manipulation.against_mending(ODD_SHARE),
            variants=manipulation.variants(mended),
            counterexample=manipulation.unmended(ODD_SHARE),
            notes=manipulation.notes_on_mending(),
            drawing=manipulation.drawing(),
            data=manipulation.data,
        )
    )
