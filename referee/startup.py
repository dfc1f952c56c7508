"""What pytest loads first, in any project of this environment: the suite's options, where the suite is meant.

The options must be known before pytest looks for test paths: otherwise it takes the folder in `--model FOLDER` for one
and runs the conftest.py in it. Other projects in the same environment get neither our options nor our `fixtures`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(pluginmanager: Any) -> None:
    if _is_meant():
        pluginmanager.import_plugin("fixtures.options")


def _is_meant() -> bool:
    """Whether pytest runs inside the suite's folder, or is given a path in it."""
    here = Path.cwd()
    named = [(here / argument.split("::")[0]).resolve() for argument in sys.argv[1:]]
    return any(_ROOT in (path, *path.parents) for path in (here.resolve(), *named))
