"""The measurements of experiments I2 and I3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.induction.theory import COMPARED, HEADS_MATCH
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.induction.copying.evidence import Copying, KnockedOut
    from claims.induction.head_scores.evidence import HeadScores
    from claims.induction.named import Named
    from referee.measuring.session import Session
    from referee.prompts.tokens import Tokens


@pytest.fixture(scope="session")
def copying(session: Session, judged: list[Tokens], unrepeated: list[Tokens], visible: Visible) -> Copying:
    """Experiment I2: the predictions of the unedited model, with and without repetition."""
    from claims.induction.copying.evidence import Copying
    from claims.induction.predictions import ACCURACY, LOG_PROBABILITY, UNEDITED, predictions

    with visible():
        columns = [*ACCURACY.values(), *LOG_PROBABILITY.values()]
        table = predictions(session, judged, {UNEDITED: {}}, columns, progress="predicting")
        without = predictions(
            session, unrepeated, {UNEDITED: {}}, [*ACCURACY.values()], progress="predicting without repetition"
        )
    return Copying(table, without)


@pytest.fixture(scope="session")
def knocked_out(
    session: Session,
    copying: Copying,
    head_scores: HeadScores,
    judged: list[Tokens],
    selection: list[Tokens],
    named: Named,
    settings: Settings,
    visible: Visible,
) -> KnockedOut:
    """Experiment I3: the top heads, other sets of heads, and the heads with the largest output are knocked out.

    Raises NotApplicable if the model does not copy, or if the top heads are no induction heads.
    """
    from claims.induction.copying import measure
    from claims.induction.copying.evidence import KnockedOut
    from claims.induction.heads import other_sets
    from claims.induction.predictions import ACCURACY, LOG_PROBABILITY, predictions
    from claims.induction.sequences import SECOND

    head_scores.require_matching(HEADS_MATCH.criterion)
    profile = settings.profile
    right = [judged[i] for i in copying.right()]
    others = other_sets(named.top, session.subject.n_heads, count=profile.groups, seed=settings.seed)
    with visible():
        largest = measure.largest_outputs(session, selection[:COMPARED], named.top, progress="measuring outputs")
        arms = measure.knock_outs(named.top, largest)
        columns = [ACCURACY[SECOND], LOG_PROBABILITY[SECOND]]
        edited = predictions(session, right, arms, columns, progress="knocking heads out")
        in_sets = predictions(
            session, right[:COMPARED], others.knock_outs(), columns[:1], progress="knocking other heads out"
        )
    return KnockedOut(copying, edited, in_sets, existing=others.existing, top=named.top, largest=largest)
