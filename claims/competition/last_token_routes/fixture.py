"""The measurement of experiment 2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.prompts import ask
from claims.competition.sweeps import other_layers

if TYPE_CHECKING:
    from claims.competition.last_token_routes.evidence import Routes
    from claims.competition.prompts import Format, Pair
    from fixtures.options import Settings
    from fixtures.terminal import Visible
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def routes(session: Session, pairs: list[Pair], formats: list[Format], settings: Settings, visible: Visible) -> Routes:
    """Experiment 2.1: the attention of the last token to the numbers, at the layer of interest and nearby layers."""
    from claims.competition.last_token_routes import measure
    from claims.competition.last_token_routes.evidence import Routes

    subject = session.subject
    layers = sorted({*measure.neighbourhood(subject), *other_layers(subject, settings, observed=True)})
    with visible():
        table = measure.routes(session, ask(pairs, formats), layers, progress="tracing routes")
    return Routes(table, subject, settings)
