"""Experiment 1.1: how heads divide their attention between the numbers and the format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from claims.competition.strata import in_both_orders
from claims.competition.theory import (
    EVEN_HEADS_HOLD,
    EVEN_HEADS_HOLD_MORE,
    ODD_HEADS_FALL,
    ODD_HEADS_LOW,
    ODD_HEADS_LOWER,
)
from referee.judging.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claims.competition.bandwidth_distribution.evidence import Distribution
    from claims.competition.observed import Group
    from fixtures.attacks import Attack
    from fixtures.ledger import Judge
    from referee.judging.evidence import Counterexample
    from referee.judging.verdict import Criterion


@pytest.mark.claim(EVEN_HEADS_HOLD)
def test_even_heads_keep_most_of_their_attention_on_the_numbers_in_every_format(
    bandwidth: Distribution, attack_on_formats: Attack, judge: Judge
) -> None:
    """Headline 1: the numerical bandwidth of the even heads stays high in every format."""
    criterion, formats = judge.claim.criterion, bandwidth.formats
    judge(
        _level(
            bandwidth,
            "even",
            formats,
            criterion,
            counterexample=attack_on_formats.counterexample,
            notes=(
                *(bandwidth.heads_meeting(criterion, name) for name in formats),
                bandwidth.sink(),
                attack_on_formats.summary,
            ),
        )
    )


@pytest.mark.claim(EVEN_HEADS_HOLD_MORE)
def test_even_heads_keep_more_attention_on_the_numbers_than_other_heads_in_every_format(
    bandwidth: Distribution, judge: Judge
) -> None:
    """Headline 1: the numerical bandwidth of the even heads is above that of all other heads in every format."""
    judge(_excess(bandwidth, "even", bandwidth.formats, judge.claim.criterion))


@pytest.mark.claim(ODD_HEADS_LOW)
def test_odd_heads_keep_little_attention_on_the_numbers_in_the_question_format(
    bandwidth: Distribution, judge: Judge
) -> None:
    """Headline 2: the numerical bandwidth of the odd heads is low in Q&A."""
    criterion = judge.claim.criterion
    judge(_level(bandwidth, "odd", ["Q&A"], criterion, notes=(bandwidth.heads_meeting(criterion, "Q&A"),)))


@pytest.mark.claim(ODD_HEADS_FALL)
def test_odd_heads_keep_most_of_their_attention_on_the_numbers_in_the_simple_format(
    bandwidth: Distribution, judge: Judge
) -> None:
    """Headline 2: the odd heads can fall below the threshold in Q&A only if they are above it in Simple."""
    criterion = judge.claim.criterion
    judge(_level(bandwidth, "odd", ["Simple"], criterion, notes=(bandwidth.heads_meeting(criterion, "Simple"),)))


@pytest.mark.claim(ODD_HEADS_LOWER)
def test_odd_heads_keep_less_attention_on_the_numbers_than_other_heads_in_the_question_format(
    bandwidth: Distribution, judge: Judge
) -> None:
    """Headline 2: the numerical bandwidth of the odd heads is below that of all other heads in Q&A."""
    judge(_excess(bandwidth, "odd", ["Q&A"], judge.claim.criterion))


def _level(
    bandwidth: Distribution,
    group: Group,
    formats: Sequence[str],
    criterion: Criterion,
    *,
    counterexample: Counterexample | None = None,
    notes: tuple[str, ...],
) -> Evidence:
    """Returns the evidence on the level of a group of heads in some formats."""
    return Evidence(
        estimate=in_both_orders(partial(bandwidth.level, group, formats)),
        against=bandwidth.against(group, formats, criterion),
        variants=bandwidth.level_measures(group, formats),
        incomparable=bandwidth.other_units,
        counterexample=counterexample or bandwidth.level_missed(criterion, group, formats),
        notes=notes,
        drawing=bandwidth.drawing(EVEN_HEADS_HOLD.criterion),
        data=bandwidth.data,
        by_layer=bandwidth.by_layer(criterion, partial(bandwidth.level, group, formats)),
    )


def _excess(bandwidth: Distribution, group: Group, formats: Sequence[str], criterion: Criterion) -> Evidence:
    """Returns the evidence on the excess of a group of heads over all other heads in some formats."""
    return Evidence(
        estimate=in_both_orders(partial(bandwidth.excess, group, formats)),
        against=bandwidth.of_other_groups(group, criterion, formats),
        variants=bandwidth.excess_measures(group, formats),
        counterexample=bandwidth.excess_missed(criterion, group, formats),
        drawing=bandwidth.drawing(EVEN_HEADS_HOLD.criterion),
        data=bandwidth.data,
        by_layer=bandwidth.by_layer(criterion, partial(bandwidth.excess, group, formats)),
    )
