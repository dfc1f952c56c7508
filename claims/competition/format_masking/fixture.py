"""The measurement of experiment 5.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads, odd_heads
from claims.competition.prompts import QA
from claims.competition.sweeps import Sweeps

if TYPE_CHECKING:
    from claims.competition.format_masking.evidence import Masks
    from claims.competition.prompts import Case


@pytest.fixture(scope="session")
def masks(sweeps: Sweeps, bug_set: list[Case]) -> Masks:
    """Experiment 5.2: edits mask the format tokens in odd heads, in even heads and in other groups of heads."""
    from claims.competition.format_masking import measure
    from claims.competition.format_masking.evidence import Masks
    from claims.competition.interventions import placebo_of, placebos

    subject = sweeps.session.subject
    odd, asked = odd_heads(subject), [case.asked(QA) for case in bug_set]
    there = sweeps.at_other_layers(bug_set)
    in_odd = measure.masks({"odd": odd}, strengths=measure.MASKED)
    controls = placebos(in_odd, named=("numerical", "format"))
    arms = {
        **measure.masks({"odd": odd, "even": even_heads(subject)}),
        **measure.masks({"odd": odd}, strengths=measure.MASKED, category="other"),
        **controls,
    }
    progress, wholly = "masking format tokens", measure.mask_arm("odd", measure.WHOLLY)
    return Masks(
        sweeps.on_bugs(bug_set, arms, progress),
        sweeps.in_other_heads(
            asked,
            lambda groups: measure.masks(groups, strengths=[measure.WHOLLY]),
            ("odd", odd),
            progress,
            bugs=True,
        ),
        sweeps.elsewhere(lambda layer: sweeps.on_bugs(there, in_odd, f"{progress} at layer {layer}", layer)),
        sweeps.matched(asked, in_odd[wholly], controls[placebo_of(wholly)]),
    )
