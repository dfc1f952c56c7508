"""The fixture of experiment 1.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.phrasings import INSTRUCTIONS
from claims.competition.prompts import Pair
from claims.competition.theory import DROP_AT_SIXTY, EVEN_HEADS_HOLD
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.competition.format_injection.evidence import Injection
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def injection(session: Session, pairs: list[Pair], settings: Settings, visible: Visible) -> Injection:
    """Experiment 1.3: attention and answers at increasing shares of format tokens, in several phrasings."""
    from claims.competition.format_injection.evidence import Injection
    from claims.competition.format_injection.measure import progressive_injection
    from claims.competition.sweeps import other_layers

    costly = settings.profile.costly
    phrasings = min(costly, len(INSTRUCTIONS))
    others = other_layers(session.subject, settings, observed=True)
    with visible():
        table = progressive_injection(
            session,
            pairs[: max(costly, phrasings + 1)],
            phrasings=phrasings,
            layers=sorted([session.layer, *others]) if others else (),
            progress="adding format tokens",
        )
    return Injection(table, share_threshold=EVEN_HEADS_HOLD.criterion.low, drop=DROP_AT_SIXTY.criterion)
