"""Registers the suite's options if pytest runs the suite. Pytest loads this module first, in any project.

The options must be known before pytest looks for test paths. Otherwise it takes the folder in `--model FOLDER` for a
test path and runs the conftest.py in it. Other projects in the same environment do not get the suite's options.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(pluginmanager: Any) -> None:
    if _runs_suite():
        pluginmanager.import_plugin("fixtures.options")


def _runs_suite() -> bool:
    """Return whether pytest runs inside the suite's folder, or gets a path in it."""
    here = Path.cwd()
    named = [(here / argument.split("::")[0]).resolve() for argument in sys.argv[1:]]
    return any(_ROOT in (path, *path.parents) for path in (here.resolve(), *named))
