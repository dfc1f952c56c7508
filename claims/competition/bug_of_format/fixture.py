"""The fixture of claim B1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.options import Settings

if TYPE_CHECKING:
    import pandas as pd

    from claims.competition.bug_of_format.evidence import BugOfFormat


@pytest.fixture(scope="session")
def bug_of_format(screened: pd.DataFrame, settings: Settings) -> BugOfFormat:
    """Claim B1: the unedited answers in Simple and Q&A, in both orders."""
    from claims.competition.bug_of_format.evidence import BugOfFormat

    return BugOfFormat(screened, settings)
