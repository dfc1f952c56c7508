"""Compares the installed libraries with the ranges of pyproject.toml."""

from __future__ import annotations

import platform
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from referee.doctor.lines import Line

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the suite."""


def lines() -> Iterator[Line]:
    """Yields a line for the system, for Python, and for each library that the suite needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    linux = sys.platform == "linux"
    yield Line("system", platform.platform() + ("" if linux else "; the suite needs Linux"), missing=not linux)
    python = SpecifierSet(project["requires-python"])
    yield _compared("Python", python, platform.python_version(), "Use another Python.")
    for requirement in map(Requirement, project["dependencies"]):
        remedy = f"Run `pip install -c constraints.txt -e .` in {ROOT}."
        yield _compared(requirement.name, requirement.specifier, _installed(requirement.name), remedy)


def _installed(name: str) -> str | None:
    """Returns the version of an installed library, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _compared(name: str, needed: SpecifierSet, found: str | None, remedy: str) -> Line:
    """Returns the line for a version and the range that the suite needs."""
    bounds = ", ".join(sorted(map(str, needed), reverse=True))
    if found is not None and needed.contains(found, prereleases=True):
        return Line(name, f"{found:<14}needs {bounds}")
    return Line(name, f"{found or 'not installed'}, but the suite needs {bounds}. {remedy}", missing=True)
