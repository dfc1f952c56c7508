"""The fixture of headline 5."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import pytest

from claims.competition.prompts import Case, Prompt
from claims.competition.theory import DUE_TO_FORMAT, EVEN_TARGETS, ODD_SHARE

if TYPE_CHECKING:
    from claims.competition.attention_moves.evidence import Moves
    from claims.competition.format_injection.evidence import Injection
    from claims.competition.format_masking.evidence import Masks
    from claims.competition.share_manipulation.evidence import Manipulation
    from claims.competition.whole_theory.evidence import Competition


@pytest.fixture(scope="session")
def competition(
    injection: Injection,
    right_answers: Sequence[Prompt],
    bug_set: list[Case],
    manipulation: Manipulation,
    moves: Moves,
    masks: Masks,
) -> Competition:
    """Headline 5: the results of experiments 1.2, 1.3, 5.1 and 5.2. Needs enough right answers and a bug set."""
    from claims.competition.whole_theory.evidence import Competition

    return Competition(
        {
            "bandwidth falls because of format (1.3)": partial(injection.mostly_due_to_format, DUE_TO_FORMAT),
            "a low share of even heads breaks (1.2)": partial(manipulation.broken, EVEN_TARGETS),
            "a high share of odd heads repairs (1.2)": partial(manipulation.mended, ODD_SHARE),
            "moving attention from format repairs (5.1)": moves.moved,
            "masking format repairs (5.2)": masks.hidden,
        },
        against=(
            *injection.against_falling(DUE_TO_FORMAT),
            *manipulation.against_mending(ODD_SHARE),
            *moves.against(),
            *masks.against(),
        ),
    )
