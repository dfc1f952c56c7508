"""Fixtures that all experiments of this theory share: the pairs, the formats, and the unedited answers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from claims.competition.as_published.published import CLAIMS
from claims.competition.heads import require_two_heads
from claims.competition.prompts import DOCUMENT_PAIRS, QA, QUESTIONS, SIMPLE, Case, Format, Pair, Prompt, ask
from claims.competition.prompts import pairs as draw_pairs
from claims.competition.sweeps import Sweeps
from claims.competition.theory import BUG_SET_MINIMUM
from fixtures.discovery import fixtures_of_experiments
from fixtures.items import claim_of
from fixtures.ledger import Ledger
from fixtures.options import Settings
from fixtures.terminal import Visible
from referee.judging.evidence import NotApplicable

if TYPE_CHECKING:
    import pandas as pd

    from referee.measuring.session import Session
    from referee.models.subjects import Subject

globals().update(fixtures_of_experiments("competition"))
_PUBLISHED = Path(__file__).parent / "as_published"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out the published method unless -k contains "published", because it is no claim and takes time."""
    return True if collection_path == _PUBLISHED and "published" not in config.option.keyword else None


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Lets `-k published` find the claims with a published experiment. Runs the published method after them.

    Without a claim there is no report to show it in, so it does not run.
    """
    for item in items:
        if claim_of(item) in CLAIMS:
            item.extra_keyword_matches.add("published")
    yield
    published = [item for item in items if _PUBLISHED in item.path.parents]
    others = [item for item in items if item not in published]
    items[:] = [*others, *published] if any(map(claim_of, others)) else others


@pytest.fixture(scope="session")
def session(session: Session) -> Session:
    """Returns the session of the run. Raises TooFewHeads for a subject with one head per layer."""
    require_two_heads(session.subject)
    return session


@pytest.fixture(scope="session")
def pairs(settings: Settings) -> list[Pair]:
    """Returns the conflict pairs of this run."""
    return draw_pairs(settings.profile.units, seed=settings.seed)


@pytest.fixture(scope="session")
def formats(subject: Subject) -> list[Format]:
    """Returns Simple and Q&A, and also Chat if the subject has a chat template."""
    from claims.competition.chat import chat_format

    chat = chat_format(subject.tokenizer)
    return [SIMPLE, QA, chat] if chat else [SIMPLE, QA]


@pytest.fixture(scope="session")
def behaviour(
    session: Session, pairs: list[Pair], formats: list[Format], settings: Settings, ledger: Ledger, visible: Visible
) -> pd.DataFrame:
    """Returns the answers of the unedited model to every prompt, one row per prompt.

    The model writes the whole answer only for the first pairs.
    """
    from claims.competition.behaviour import accuracies, behaviour

    written = ask(pairs[: settings.profile.costly], formats)
    with visible():
        table = behaviour(session, ask(pairs, formats), written=written, progress="answering")
    ledger.tables.append(accuracies(table))
    return table


@pytest.fixture(scope="session")
def screened(session: Session, settings: Settings, ledger: Ledger, visible: Visible) -> pd.DataFrame:
    """Returns the unedited answers in Simple and Q&A to all pairs among which the bug was searched for.

    The pairs are those of `pairs` and further ones, until there are enough with the bug. Control pairs and other
    phrasings of Q&A are asked as well, and a table of the report shows them. The report also says whether the model has
    the bug.
    """
    from claims.competition.behaviour import unedited
    from claims.competition.screening import context, phenomenon, screen

    profile, seed = settings.profile, settings.seed
    controls = ask(draw_pairs(profile.swept, kind="control", seed=seed), (SIMPLE, QA))
    with visible():
        table = screen(session, draw_pairs(profile.asked, seed=seed), bugs=profile.found, progress="screening pairs")
        on_controls = unedited(session, controls, progress="asking control pairs")
        on_phrasings = unedited(session, ask(DOCUMENT_PAIRS, (SIMPLE, *QUESTIONS)), progress="asking in other words")
    ledger.tables.append(context(table, on_controls, on_phrasings))
    ledger.phenomena["competition"] = phenomenon(table)
    return table


@pytest.fixture(scope="session")
def bug_cases(screened: pd.DataFrame, ledger: Ledger) -> list[Case]:
    """Returns the cases with the bug, in the orders of the numbers that have it beyond chance. There may be none."""
    from claims.competition.screening import bug_cases

    found = bug_cases(screened)
    ledger.found["competition"] = found
    return found


@pytest.fixture(scope="session")
def bug_set(screened: pd.DataFrame) -> list[Case]:
    """Returns the same as `bug_cases`. Raises NotApplicable if it has fewer pairs than the theory requires."""
    from claims.competition.screening import require_bug

    return require_bug(screened)


@pytest.fixture(scope="session")
def right_cases(behaviour: pd.DataFrame, pairs: list[Pair]) -> list[Prompt]:
    """Returns prompts in Simple and Q&A that the unedited model answers right, one of each pair and order.

    There may be none.
    """
    from claims.competition.behaviour import right_prompts

    return right_prompts(behaviour, pairs, (SIMPLE, QA))


@pytest.fixture(scope="session")
def right_answers(right_cases: Sequence[Prompt], pairs: list[Pair]) -> Sequence[Prompt]:
    """Returns the right prompts, which an edit can break. Raises NotApplicable if they have too few pairs."""
    count = len({prompt.pair for prompt in right_cases})
    if count < BUG_SET_MINIMUM:
        raise NotApplicable(
            f"only {count} of {len(pairs)} pairs are answered right in Simple or Q&A ({BUG_SET_MINIMUM} needed), and"
            " only what is right can be broken"
        )
    return right_cases


@pytest.fixture(scope="session")
def sweeps(session: Session, settings: Settings, visible: Visible) -> Sweeps:
    """Returns the object that runs edits on this session."""
    return Sweeps(session, settings, visible)
