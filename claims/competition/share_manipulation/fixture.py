"""The fixture of experiment 1.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads, odd_heads
from claims.competition.prompts import QA, Case, Prompt, of_first_pairs
from claims.competition.sweeps import Sweeps
from claims.competition.theory import BUG_SET_MINIMUM, EVEN_HEADS_HOLD, EVEN_TARGETS, ODD_SHARE

if TYPE_CHECKING:
    from claims.competition.compared import Compared
    from claims.competition.share_manipulation.evidence import Breaking, Manipulation

_DOCUMENT = (max(EVEN_TARGETS), ODD_SHARE)
"""The shares of the even and of the odd heads in the edit of the seed document."""


@pytest.fixture(scope="session")
def manipulation(sweeps: Sweeps, bug_cases: list[Case], right_cases: list[Prompt]) -> Manipulation:
    """Experiment 1.2: edits set the numerical shares exactly. Prompt sets that are too small are left out."""
    from claims.competition.share_manipulation.evidence import Manipulation

    return Manipulation(
        _breaking(sweeps, right_cases) if len({prompt.pair for prompt in right_cases}) >= BUG_SET_MINIMUM else None,
        _repair(sweeps, bug_cases) if len({case.pair for case in bug_cases}) >= BUG_SET_MINIMUM else None,
        threshold=EVEN_HEADS_HOLD.criterion.low,
    )


def _breaking(sweeps: Sweeps, right_cases: list[Prompt]) -> Breaking:
    """Runs the edits on right answers."""
    from claims.competition.interventions import placebo_of, placebos
    from claims.competition.share_manipulation.evidence import Breaking
    from claims.competition.share_manipulation.measure import even_shares, manipulation_arms, set_shares, share_arm

    subject, mildest = sweeps.session.subject, max(EVEN_TARGETS)
    prompts = of_first_pairs(right_cases, sweeps.settings.profile.swept)
    even, progress = even_heads(subject), "lowering shares on numbers"
    alone = set_shares({"even": even}, EVEN_TARGETS)
    there = sweeps.at_other_layers(prompts)
    elsewhere = sweeps.elsewhere(lambda k: sweeps.on_right(there, alone, f"{progress} at layer {k}", k))
    shares = even_shares(sweeps.session, prompts, sorted([subject.layer, *elsewhere.tables]))
    here = shares[subject.layer]
    above = [p for p in prompts if here[str(p.pair), p.order, p.format.name] > mildest]
    others = matched = None
    if len({prompt.pair for prompt in above}) >= BUG_SET_MINIMUM:
        others = sweeps.in_other_heads(
            above, lambda groups: set_shares(groups, [mildest]), ("even", even), progress, bugs=False
        )
        arm = share_arm("even", mildest)
        controls = placebos({arm: alone[arm]}, named=("numerical",))
        matched = sweeps.matched(above, alone[arm], controls[placebo_of(arm)])
    arms = manipulation_arms(subject, "even", EVEN_TARGETS, document=_DOCUMENT)
    return Breaking(
        sweeps.on_right(prompts, arms, progress),
        EVEN_TARGETS,
        shares_before=shares,
        fewest=BUG_SET_MINIMUM,
        in_other_heads=others,
        elsewhere=elsewhere,
        matched=matched,
    )


def _repair(sweeps: Sweeps, bug_cases: list[Case]) -> Compared:
    """Runs the edits on the bug set."""
    from claims.competition.compared import Compared
    from claims.competition.interventions import placebos
    from claims.competition.share_manipulation.measure import manipulation_arms, set_shares, share_arm

    subject = sweeps.session.subject
    odd, progress = odd_heads(subject), "raising shares on numbers"
    alone = set_shares({"odd": odd}, [ODD_SHARE])
    controls = placebos(alone, named=("numerical",))
    arms = manipulation_arms(subject, "odd", [ODD_SHARE], document=_DOCUMENT)
    asked, there = [case.asked(QA) for case in bug_cases], sweeps.at_other_layers(bug_cases)
    return Compared(
        sweeps.on_bugs(bug_cases, arms, progress),
        share_arm("odd", ODD_SHARE),
        share_arm("even", ODD_SHARE),
        sweeps.in_other_heads(asked, lambda groups: set_shares(groups, [ODD_SHARE]), ("odd", odd), progress, bugs=True),
        sweeps.elsewhere(lambda k: sweeps.on_bugs(there, alone, f"{progress} at layer {k}", k)),
        sweeps.matched(asked, *alone.values(), *controls.values()),
    )
