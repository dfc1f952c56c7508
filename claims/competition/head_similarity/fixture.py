"""The measurement of experiment 3.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads
from claims.competition.prompts import ask
from claims.competition.sweeps import other_layers

if TYPE_CHECKING:
    from claims.competition.head_similarity.evidence import Similarity
    from claims.competition.prompts import Pair
    from fixtures.options import Settings
    from fixtures.terminal import Visible
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def similarity(session: Session, pairs: list[Pair], settings: Settings, visible: Visible) -> Similarity:
    """Experiment 3.1: correlations between the patterns of heads."""
    from claims.competition.head_similarity.evidence import Similarity
    from claims.competition.head_similarity.measure import FORMATS, advantages, similarities

    subject = session.subject
    prompts = ask(pairs[: settings.profile.swept], FORMATS)
    with visible():
        found = similarities(session, prompts, progress="comparing heads")
        elsewhere = {}
        if others := other_layers(subject, settings, observed=True):
            label = "comparing heads, other layers"
            elsewhere = advantages(session, prompts, even_heads(subject), others, progress=label)
    return Similarity(found, prompts, subject, settings, elsewhere)
