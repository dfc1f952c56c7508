"""Fixtures that all experiments of this theory share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.new_theory.template.sentences import Sentence
from claims.new_theory.template.sentences import sentences as draw_sentences
from fixtures.discovery import fixtures_of_experiments

if TYPE_CHECKING:
    from fixtures.options import Settings

globals().update(fixtures_of_experiments("new_theory.template"))


@pytest.fixture(scope="session")
def sentences(settings: Settings) -> list[Sentence]:
    """Returns the sentences of this run. Their number is that of the profile."""
    return draw_sentences(settings.profile.units, seed=settings.seed)
