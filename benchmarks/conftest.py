"""Options and fixtures of the benchmarks. The tables of README.md are printed after all other output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from referee.models import embedded, subjects
from referee.models.subjects import Subject

_TABLES = pytest.StashKey[list[tuple[str, str]]]()


@dataclass(frozen=True)
class Size:
    """The size of a benchmark: how often it is repeated, and how many trials and prompts it has."""

    repeats: int
    trials: int
    prompts: int


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("benchmarks", "the size of the benchmarks")
    group.addoption("--repeats", type=int, default=5, help="repeats; the tables have medians (default: 5)")
    group.addoption("--trials", type=int, default=200, help="trials of a sweep (default: 200)")
    group.addoption("--prompts", type=int, default=60, help="prompts whose patterns are read (default: 60)")
    group.addoption(
        "--other-checkout",
        type=Path,
        metavar="DIR",
        help="another checkout of this project, with its environment in DIR/.venv, for the comparison of whole runs"
        " (write it with an equals sign: --other-checkout=DIR)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLES] = []


@pytest.fixture
def show(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Returns a function that prints a title and a table after all benchmarks."""
    return lambda title, table: pytestconfig.stash[_TABLES].append((title, table))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for title, table in config.stash[_TABLES]:
        terminalreporter.section(title)
        terminalreporter.write_line(table)


@pytest.fixture(scope="session")
def size(pytestconfig: pytest.Config) -> Size:
    """Returns the size that the command line sets."""
    option = pytestconfig.option
    return Size(option.repeats, option.trials, option.prompts)


@pytest.fixture(scope="session")
def folder() -> Path:
    """Returns the folder of SmolLM2, which every implementation can load."""
    return embedded.smollm2()


@pytest.fixture(scope="session")
def subject(folder: Path) -> Subject:
    """Returns SmolLM2 with layer 10 of 30 (from 0) as its layer of interest, on the CPU."""
    return subjects.load(str(folder), layer=10, device="cpu")
