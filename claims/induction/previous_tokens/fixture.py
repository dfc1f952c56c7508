"""The measurement of experiment I4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.induction.theory import COMPARED, HEADS_MATCH
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    import pandas as pd

    from claims.induction.head_scores.evidence import HeadScores
    from claims.induction.previous_tokens.evidence import Feeding
    from referee.measuring.session import Session
    from referee.prompts.tokens import Tokens

_NOISE = 0.02
"""A change of the prefix-matching score that the rounding of queries and keys to bfloat16 can cause."""


@pytest.fixture(scope="session")
def feeding(
    session: Session, head_scores: HeadScores, judged: list[Tokens], settings: Settings, visible: Visible
) -> Feeding:
    """Experiment I4: previous-token heads and other sets of heads of their layers are knocked out.

    If the model has a shorter dtype than float32 and the scores fall by no more than its noise, all of it is measured
    again in float32. Raises NotApplicable if the top heads are no induction heads, or if no layer is below them.
    """
    from claims.induction.heads import other_sets
    from claims.induction.predictions import of_arm
    from claims.induction.previous_tokens import measure
    from claims.induction.previous_tokens.evidence import Feeding

    head_scores.require_matching(HEADS_MATCH.criterion)
    head_scores.named.require_previous()
    top, previous = head_scores.named.top, head_scores.named.previous
    others = other_sets(previous, session.subject.n_heads, count=settings.profile.groups, seed=settings.seed)

    def measured(session: Session, before: pd.Series) -> Feeding:
        with visible():
            edited = measure.matching_after(
                session, judged, measure.knock_outs(previous), top, progress="knocking previous-token heads out"
            )
            in_sets = measure.matching_after(
                session, judged[:COMPARED], others.knock_outs(), top, progress="knocking other heads out"
            )
        return Feeding(before, edited, in_sets, existing=others.existing, named=head_scores.named)

    found = measured(session, head_scores.prefix_matching())
    if session.precise is session or found.differs_by_more_than(_NOISE):
        return found
    unedited = measure.matching_after(session.precise, judged, {"unedited": {}}, top)
    return measured(session.precise, of_arm(unedited, "unedited", "prefix_matching"))
