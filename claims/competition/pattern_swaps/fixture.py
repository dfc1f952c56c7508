"""The measurements of experiment 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from claims.competition.edited import Edited
    from claims.competition.pattern_swaps.evidence import Swaps
    from claims.competition.prompts import Case, Prompt
    from claims.competition.sweeps import Sweeps
    from referee.attention.edits import Edit

    Run = Callable[[dict[str, Edit], bool, int | None], Edited]
    """Runs edits on all prompts, or on few of them if the second argument is true. The last one is the layer."""


@pytest.fixture(scope="session")
def swaps_on_bugs(sweeps: Sweeps, bug_set: list[Case]) -> Swaps:
    """Experiment 3.2 on the wrong answers: odd heads take the patterns of their even neighbours."""
    from claims.competition.pattern_swaps.measure import EVEN_INTO_ODD, ODD_INTO_ODD

    def run(arms: dict[str, Edit], few: bool, layer: int | None) -> Edited:
        return sweeps.on_bugs(sweeps.few(bug_set) if few else bug_set, arms, "swapping patterns, wrong answers", layer)

    return _swaps(sweeps, run, EVEN_INTO_ODD, placebo=ODD_INTO_ODD, sign=1)


@pytest.fixture(scope="session")
def swaps_on_right(sweeps: Sweeps, right_answers: list[Prompt]) -> Swaps:
    """Experiment 3.2 on the right answers: even heads take the patterns of their odd neighbours."""
    from claims.competition.pattern_swaps.measure import EVEN_INTO_EVEN, ODD_INTO_EVEN

    def run(arms: dict[str, Edit], few: bool, layer: int | None) -> Edited:
        prompts = sweeps.few(right_answers) if few else right_answers
        return sweeps.on_right(prompts, arms, "swapping patterns, right answers", layer)

    return _swaps(sweeps, run, ODD_INTO_EVEN, placebo=EVEN_INTO_EVEN, sign=-1)


def _swaps(sweeps: Sweeps, run: Run, swap: str, *, placebo: str, sign: int) -> Swaps:
    from claims.competition.pattern_swaps.evidence import Swaps
    from claims.competition.pattern_swaps.measure import OTHER_NEIGHBOURS, other_swaps, swaps

    subject, settings = sweeps.session.subject, sweeps.settings
    arms = swaps(subject)
    own = {swap: arms[swap]}
    others = other_swaps(subject, swap, count=settings.profile.groups, seed=settings.seed)
    return Swaps(
        run({**own, **{arm: arms[arm] for arm in (placebo, swap + OTHER_NEIGHBOURS)}}, False, None),
        swap,
        placebo=placebo,
        sign=sign,
        others=run({**own, **others}, True, None),
        elsewhere=sweeps.elsewhere(lambda layer: run(own, False, layer)),
    )
