"""The fixture of experiment 1.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads, odd_heads
from claims.competition.prompts import Case, Prompt
from claims.competition.sweeps import Sweeps, other_layers
from claims.competition.theory import BUG_SET_MINIMUM, EVEN_HEADS_HOLD, EVEN_TARGETS, ODD_SHARE
from fixtures.options import Settings

if TYPE_CHECKING:
    from claims.competition.edited import Edited
    from claims.competition.share_manipulation.evidence import Manipulation


@pytest.fixture(scope="session")
def manipulation(sweeps: Sweeps, bug_cases: list[Case], right_cases: list[Prompt], settings: Settings) -> Manipulation:
    """Experiment 1.2: edits set the numerical shares exactly. Prompt sets that are too small are left out."""
    from claims.competition.share_manipulation.evidence import Manipulation
    from claims.competition.share_manipulation.measure import even_shares, manipulation_arms, set_shares

    subject, groups, seed = sweeps.session.subject, settings.profile.groups, settings.seed
    others = other_layers(subject, settings)
    breaking = mending = None
    document = (max(EVEN_TARGETS), ODD_SHARE)
    shares_before: dict[tuple[str, str, str], float] = {}
    elsewhere: list[tuple[int, Edited]] = []
    if len({prompt.pair for prompt in right_cases}) >= BUG_SET_MINIMUM:
        arms = manipulation_arms(subject, "even", max(EVEN_TARGETS), document=document, groups=groups, seed=seed)
        breaking = sweeps.on_right(right_cases, arms, "lowering shares on numbers")
        shares_before = even_shares(sweeps.session, right_cases)
        alone = set_shares({"even": even_heads(subject)}, [max(EVEN_TARGETS)])
        elsewhere += [(k, sweeps.on_right(right_cases, alone, f"the same at layer {k}", k)) for k in others]
    if len({case.pair for case in bug_cases}) >= BUG_SET_MINIMUM:
        arms = manipulation_arms(subject, "odd", ODD_SHARE, document=document, groups=groups, seed=seed)
        mending = sweeps.on_bugs(bug_cases, arms, "raising shares on numbers")
        alone = set_shares({"odd": odd_heads(subject)}, [ODD_SHARE])
        elsewhere += [(k, sweeps.on_bugs(bug_cases, alone, f"the same at layer {k}", k)) for k in others]
    threshold = EVEN_HEADS_HOLD.criterion.low
    return Manipulation(breaking, mending, elsewhere, shares_before=shares_before, threshold=threshold)
