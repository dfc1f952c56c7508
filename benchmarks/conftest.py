"""What the benchmarks share, and the tables at the end: those of README.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from referee.models import embedded, subjects
from referee.models.subjects import Subject

_TABLES = pytest.StashKey[list[tuple[str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLES] = []


@pytest.fixture
def show(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Prints a titled table when all is done."""
    return lambda title, table: pytestconfig.stash[_TABLES].append((title, table))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for title, table in config.stash[_TABLES]:
        terminalreporter.section(title)
        terminalreporter.write_line(table)


@pytest.fixture(scope="session")
def folder() -> Path:
    """SmolLM2 as a folder that every way can load."""
    return embedded.smollm2()


@pytest.fixture(scope="session")
def subject(folder: Path) -> Subject:
    """The same at layer 10 of 30, on the CPU."""
    return subjects.load(str(folder), layer=10, device="cpu")
