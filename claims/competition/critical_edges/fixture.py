"""The measurement of experiment 2.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.prompts import ORDERS, QA, SIMPLE, ask
from claims.competition.sweeps import other_layers

if TYPE_CHECKING:
    from claims.competition.critical_edges.evidence import Paths
    from claims.competition.prompts import Pair
    from fixtures.options import Settings
    from fixtures.terminal import Visible
    from referee.measuring.session import Session

_KNOCKED_OUT = 3
"""Number of pairs for the check of the attributions. The check removes edges, in both formats and both orders."""


@pytest.fixture(scope="session")
def paths(session: Session, pairs: list[Pair], settings: Settings, visible: Visible) -> Paths:
    """Experiment 2.2: gradients of the margin with respect to attention, and removal of the strongest edges."""
    from claims.competition.critical_edges import measure
    from claims.competition.critical_edges.evidence import Paths

    formats = [SIMPLE, QA]
    prompts = ask(pairs[: settings.profile.swept], formats)
    with visible():
        found = measure.critical_paths(session, prompts, progress="attributing edges")
        few = prompts[: _KNOCKED_OUT * len(formats) * len(ORDERS)]
        removed = measure.knocked_out(session, few, found, progress="removing edges")
        others = other_layers(session.subject, settings, observed=True)
        elsewhere = measure.landing_at(session, prompts, others, progress="attributing edges, other layers")
    asked = {prompt: session.tokenize(prompt) for prompt in prompts}
    return Paths(found, removed, asked, session.subject, settings, elsewhere)
