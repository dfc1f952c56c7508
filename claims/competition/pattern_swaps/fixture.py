"""The measurements of experiment 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from claims.competition.pattern_swaps.evidence import Swaps
    from claims.competition.prompts import Case, Prompt
    from claims.competition.sweeps import Sweeps
    from fixtures.options import Settings


@pytest.fixture(scope="session")
def swaps_on_bugs(sweeps: Sweeps, bug_set: list[Case], settings: Settings) -> Swaps:
    """Experiment 3.2 on the wrong answers: odd heads take the patterns of their even neighbours."""
    from claims.competition.pattern_swaps.evidence import Swaps
    from claims.competition.pattern_swaps.measure import EVEN_INTO_ODD, ODD_INTO_ODD, swaps

    arms = swaps(sweeps.session.subject, groups=settings.profile.groups, seed=settings.seed)
    edited = sweeps.on_bugs(bug_set, arms, "swapping patterns, wrong answers")
    return Swaps(edited, EVEN_INTO_ODD, placebo=ODD_INTO_ODD, sign=1)


@pytest.fixture(scope="session")
def swaps_on_right(sweeps: Sweeps, right_answers: list[Prompt], settings: Settings) -> Swaps:
    """Experiment 3.2 on the right answers: even heads take the patterns of their odd neighbours."""
    from claims.competition.pattern_swaps.evidence import Swaps
    from claims.competition.pattern_swaps.measure import EVEN_INTO_EVEN, ODD_INTO_EVEN, swaps

    arms = swaps(sweeps.session.subject, groups=settings.profile.groups, seed=settings.seed)
    edited = sweeps.on_right(right_answers, arms, "swapping patterns, right answers")
    return Swaps(edited, ODD_INTO_EVEN, placebo=EVEN_INTO_EVEN, sign=-1)
