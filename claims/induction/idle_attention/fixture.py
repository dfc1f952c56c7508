"""The measurement of experiment S2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.induction.copying.evidence import Copying
    from claims.induction.idle_attention.evidence import Idle
    from claims.induction.named import Named
    from referee.measuring.session import Session
    from referee.prompts.tokens import Tokens


@pytest.fixture(scope="session")
def idle(session: Session, copying: Copying, judged: list[Tokens], named: Named, visible: Visible) -> Idle:
    """Experiment S2: attention of the resting heads is moved from the first token, or between the other tokens.

    Raises NotApplicable if no head rests on the first token.
    """
    from claims.induction.idle_attention.evidence import Idle
    from claims.induction.idle_attention.measure import moves
    from claims.induction.predictions import ACCURACY, LOG_PROBABILITY, predictions
    from claims.induction.sequences import SECOND
    from referee.measuring.self_checks import TOLERANCE_LOGITS

    named.require_resting()
    with visible():
        columns = [LOG_PROBABILITY[SECOND], ACCURACY[SECOND]]
        edited = predictions(session, judged, moves(named.resting), columns, progress="moving attention")
    # Float32 cannot distinguish a smaller change from none. A shorter dtype has more noise, which widens the interval.
    return Idle(copying.table, edited, named.resting, resolution=TOLERANCE_LOGITS["float32"])
