"""The measurement of experiment 2.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.sweeps import other_layers

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
    from claims.competition.position_sensitivity.measure import ALL_ROWS, bandwidth_by_placement

    chosen = pairs[: settings.profile.swept]
    with visible():
        table = bandwidth_by_placement(session, chosen, progress="moving numbers")
        elsewhere = None
        if others := other_layers(session.subject, settings, observed=True):
            elsewhere = bandwidth_by_placement(
                session, chosen, layers=others, kept=[ALL_ROWS], progress="moving numbers, other layers"
            )
    return Positions(table, session.subject, settings, elsewhere)
