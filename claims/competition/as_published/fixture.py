"""The measurement of the case study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.sweeps import other_layers

if TYPE_CHECKING:
    from claims.competition.as_published.case_study import CaseStudy
    from claims.competition.prompts import Format
    from fixtures.options import Settings
    from fixtures.terminal import Visible
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def published_case(session: Session, formats: list[Format], settings: Settings, visible: Visible) -> CaseStudy:
    """The prompts of the seed document and of the published scripts, as stated and as published."""
    from claims.competition.as_published.case_study import case_study

    with visible():
        return case_study(session, formats, other_layers(session.subject, settings), progress="published method")
