"""The evidence of claim 1.2a on tables of edited right answers: which shares can be lowered, and how many."""

from __future__ import annotations

import numpy as np
import pytest
from test_worlds_of_edits import CASES, PAIRS, lowered

from claims.competition.theory import EVEN_TARGETS
from referee.judging.verdict import Verdict


def shares_of(pairs: int, share: float) -> np.ndarray:
    """Returns the unedited shares by case: `share` for the first pairs, and 5 % for the others, below each target."""
    return np.array([share if pair in PAIRS[:pairs] else 0.05 for pair, _ in CASES])


def test_a_prompt_that_is_below_the_target_already_is_left_out():
    """Its answer does not turn, and that says nothing about a lower share. The other prompts decide."""
    turns = np.where(shares_of(12, 0.6) > 0.3, -1.0, 1.0)

    plain, _ = lowered(own=turns, share=shares_of(12, 0.6))

    assert plain.verdict is Verdict.SUPPORTED
    assert plain.estimate.value == 1.0
    assert plain.estimate.n == 12
    assert "8 of 32 right answers at 30%" in plain.evidence.notes[0]


def test_targets_that_lower_too_few_prompts_are_left_out():
    """Unedited shares of 25 % are above the targets 10 % and 20 % only. So the largest target is no part."""
    plain, _ = lowered(share=0.25)

    assert plain.verdict is Verdict.SUPPORTED
    assert list(plain.parts) == ["even heads at 10%", "even heads at 20%"]
    assert "No part at 30%: only 0 of 16 pairs" in " ".join(plain.evidence.notes)


@pytest.mark.parametrize("pairs", [0, 9])
def test_a_model_whose_shares_are_all_low_is_not_applicable(pairs):
    """With fewer than ten pairs above the smallest target, nothing can be lowered."""
    plain, _ = lowered(share=shares_of(pairs, 0.6))

    assert plain.verdict is Verdict.NOT_APPLICABLE
    assert plain.reason.startswith(f"{min(EVEN_TARGETS):.0%}: only {pairs} of 16 pairs have a right answer")


def test_each_target_must_break_most_answers():
    """The target at which fewest answers break decides."""
    plain, _ = lowered(own=1.0)

    assert plain.verdict is Verdict.REFUTED
    assert plain.estimate.value == 0.0
