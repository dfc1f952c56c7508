"""The measurement of experiment 2.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from claims.competition.position_sensitivity.evidence import Positions
    from claims.competition.prompts import Pair
    from fixtures.options import Settings
    from fixtures.terminal import Visible
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def positions(session: Session, pairs: list[Pair], settings: Settings, visible: Visible) -> Positions:
    """Experiment 2.3: numerical bandwidth in six placements of the same comparison."""
    from claims.competition.position_sensitivity.evidence import Positions
    from claims.competition.position_sensitivity.measure import bandwidth_by_placement

    with visible():
        table = bandwidth_by_placement(session, pairs[: settings.profile.swept], progress="moving numbers")
    return Positions(table, session.subject, settings)
