"""Fixtures that all experiments of this theory share: the sequences, the named heads, and the unedited predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.discovery import fixtures_of_experiments
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.induction.named import Named
    from referee.measuring.session import Session
    from referee.prompts.tokens import Tokens

globals().update(fixtures_of_experiments("induction"))


@pytest.fixture(scope="session")
def session(session: Session) -> Session:
    """Returns the session of the run. Raises NotApplicable for a subject that cannot read the sequences."""
    from claims.induction.sequences import require_room

    require_room(session.subject)
    return session


@pytest.fixture(scope="session")
def judged(session: Session, settings: Settings) -> list[Tokens]:
    """Returns the sequences on which the claims are judged. They are few, because each has 25 predictions."""
    from claims.induction.sequences import sequences

    return sequences(session.subject, settings.profile.swept, seed=settings.seed)


@pytest.fixture(scope="session")
def unrepeated(session: Session, settings: Settings) -> list[Tokens]:
    """Returns sequences without repetition. Their first halves are those of the judged sequences."""
    from claims.induction.sequences import sequences

    return sequences(session.subject, settings.profile.swept, seed=settings.seed, repeated=False)


@pytest.fixture(scope="session")
def selection(session: Session, settings: Settings) -> list[Tokens]:
    """Returns the sequences on which heads are chosen. No claim is judged on them."""
    from claims.induction.sequences import sequences

    return sequences(session.subject, settings.profile.swept, seed=settings.seed + 1)


@pytest.fixture(scope="session")
def named(session: Session, selection: list[Tokens], visible: Visible) -> Named:
    """Returns the heads that the claims name, chosen on the selection sequences."""
    from claims.induction.head_scores.measure import head_scores
    from claims.induction.named import Named

    with visible():
        return Named.on(head_scores(session, selection, progress="choosing heads"))
