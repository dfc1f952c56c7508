"""Experiment 4.1 and its controls: how much of the pattern, at which layer and from which donor, turns the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import (
    BUG_SET_MINIMUM,
    FAULTY_DONOR_IDLE,
    MOST,
    OTHER_LAYERS_IDLE,
    RIGHT_PATTERN,
    SHARP,
    SIXTY_PERCENT,
)
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from claims.competition.pattern_replacement.controls import Layers
    from claims.competition.pattern_replacement.evidence import Replacement
    from fixtures.ledger import Judge


@pytest.mark.claim(SIXTY_PERCENT)
def test_the_answer_turns_right_when_sixty_percent_of_the_pattern_is_replaced(
    replacement: Replacement, judge: Judge
) -> None:
    """Headline 3: most margins turn positive, and stay so, at about 60 % replacement."""
    judge(
        Evidence(
            estimate=in_both_orders(replacement.in_band),
            against=replacement.donors_without_the_answer(),
            variants=replacement.variants(replacement.in_band),
            counterexample=replacement.furthest_from_band(),
            notes=replacement.notes(),
            drawing=replacement.drawing(),
            data=replacement.data,
            by_layer=replacement.in_band_by_layer(),
        )
    )


@pytest.mark.claim(SHARP)
def test_the_answer_turns_sharply(replacement: Replacement, judge: Judge) -> None:
    """The margin rises from 10 % to 90 % within a tenth of the replacement. A straight line needs eight tenths."""
    replacement.require_turns(BUG_SET_MINIMUM)
    judge(
        Evidence(
            estimate=in_both_orders(replacement.width),
            against=replacement.straight_line(),
            variants=replacement.variants(replacement.width),
            notes=replacement.notes(),
            drawing=replacement.drawing(),
            data=replacement.data,
            by_layer=replacement.width_by_layer(),
        )
    )


@pytest.mark.claim(RIGHT_PATTERN)
def test_uniform_attention_does_not_turn_the_answer_as_early(replacement: Replacement, judge: Judge) -> None:
    """Uniform attention is aligned like the Simple pattern. It turns few answers, or it turns them later."""
    replacement.require_turns(BUG_SET_MINIMUM)
    judge(
        Evidence(
            estimate=in_both_orders(replacement.needs_the_pattern),
            against=replacement.donor_crossings(),
            variants=replacement.other_donors(),
            drawing=replacement.drawing(),
            data=replacement.data,
            by_layer=replacement.needs_the_pattern_by_layer(),
        )
    )


@pytest.mark.claim(FAULTY_DONOR_IDLE)
def test_a_donor_of_the_faulty_format_does_little(layers: Layers, judge: Judge) -> None:
    """The Q&A prompt of another pair gives its whole pattern, token by token. Few answers turn."""
    control = layers.faulty_donor
    judge(
        Evidence(
            estimate=in_both_orders(control.turned),
            variants=control.variants(),
            drawing=control.drawing(MOST),
            data=control.data,
        )
    )


@pytest.mark.claim(OTHER_LAYERS_IDLE)
def test_other_layers_do_little(layers: Layers, judge: Judge) -> None:
    """The edit replaces the whole pattern at another layer. Few answers turn."""
    control = layers.other_layers
    judge(
        Evidence(
            estimate=in_both_orders(control.turned),
            variants=control.variants(),
            drawing=control.drawing(MOST),
            data=control.data,
        )
    )
