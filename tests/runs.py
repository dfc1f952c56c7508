"""Helpers that run the claims as a user does."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Run:
    """The exit code of a run, and everything that it printed."""

    code: int
    output: str


def run(*options: str, plugins: tuple[object, ...] = ()) -> Run:
    """Runs the claims in this process."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        # The asserts stay plain, because pytest would warn that it cannot rewrite modules that are already imported.
        # Without `unraisableexception`, which collects garbage five times at the end of each run.
        always = ["--rootdir", str(ROOT), "-p", "no:cacheprovider", "-p", "no:unraisableexception", "--assert=plain"]
        always += ["--no-cache", "--profile=quick"]
        code = pytest.main([*always, *options, f"{ROOT}/claims"], plugins=list(plugins))
    return Run(int(code), output.getvalue())


def process(*options: str | Path, **settings: Any) -> Run:
    """Runs pytest in another process. `settings` are arguments of subprocess.run."""
    settings["env"] = os.environ | {"HF_HUB_OFFLINE": "1"} | settings.get("env", {})
    usual = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 120}
    done = subprocess.run([sys.executable, "-m", "pytest", *map(str, options)], **(usual | settings))
    return Run(done.returncode, done.stdout or "")
