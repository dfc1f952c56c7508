"""Experiment 5.1 and its control: edits move attention from format tokens in single heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import OTHER_TOKENS_IDLE, SURGERY_REPAIRS, SURGERY_REPAIRS_MORE
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.attention_moves.evidence import Moves
    from fixtures.attacks import Attack
    from fixtures.ledger import Judge


@pytest.mark.claim(SURGERY_REPAIRS)
def test_moving_odd_heads_from_format_to_numbers_repairs(moves: Moves, attack_on_bugs: Attack, judge: Judge) -> None:
    """Half of the attention of odd heads on format tokens moves to the numbers. Wrong answers turn right."""
    judge(
        Evidence(
            estimate=in_both_orders(moves.to_numbers.share),
            against=moves.to_numbers.against(),
            variants=moves.to_numbers.variants(),
            counterexample=attack_on_bugs.counterexample or moves.to_numbers.unturned(),
            notes=(attack_on_bugs.summary, *moves.to_numbers.notes()),
            drawing=moves.drawing(),
            data=moves.data,
            by_layer=moves.to_numbers.by_layer(),
        )
    )


@pytest.mark.claim(SURGERY_REPAIRS_MORE)
def test_moving_odd_heads_repairs_more_than_moving_other_heads(moves: Moves, judge: Judge) -> None:
    """The same attention moves in other groups of as many heads. The margin rises less."""
    judge(moves.to_numbers.evidence_of_more(moves.to_numbers.notes()))


@pytest.mark.claim(OTHER_TOKENS_IDLE)
def test_attention_moved_to_other_tokens_does_little(moves: Moves, judge: Judge) -> None:
    """The format attention of the odd heads moves to tokens that are neither format nor numbers. Few answers turn."""
    judge(
        Evidence(
            estimate=in_both_orders(moves.moved_to_other_tokens),
            variants=moves.variants_of_other_tokens(),
            drawing=moves.drawing_of_other_tokens(),
            by_layer=moves.moved_to_other_tokens_by_layer(),
        )
    )
