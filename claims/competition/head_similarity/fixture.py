"""The measurement of experiment 3.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.prompts import ask

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
    from claims.competition.head_similarity.measure import FORMATS, similarities

    prompts = ask(pairs[: settings.profile.swept], FORMATS)
    with visible():
        found = similarities(session, prompts, progress="comparing heads")
    return Similarity(found, prompts, session.subject, settings)
