"""The measurement of experiment 5.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads, odd_heads, random_groups
from claims.competition.sweeps import Sweeps
from fixtures.options import Settings

if TYPE_CHECKING:
    from claims.competition.format_masking.evidence import Masks
    from claims.competition.prompts import Case


@pytest.fixture(scope="session")
def masks(sweeps: Sweeps, bug_set: list[Case], settings: Settings) -> Masks:
    """Experiment 5.2: edits mask the format tokens in odd heads, in even heads and in random heads."""
    from claims.competition.format_masking import measure
    from claims.competition.format_masking.evidence import Masks

    subject = sweeps.session.subject
    odd, even = odd_heads(subject), even_heads(subject)
    arms = {
        **measure.masks({"odd": odd, "even": even}),
        **measure.masks({"odd": odd}, category="other"),
        **measure.masks(
            random_groups(subject.n_heads, len(odd), settings.profile.groups, settings.seed), strengths=[1.0]
        ),
    }
    return Masks(sweeps.on_bugs(bug_set, arms, "masking format tokens"))
