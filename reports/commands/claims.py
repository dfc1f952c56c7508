"""Runs the claims in another process, as a user does. A report needs neither pytest nor the model; a run does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Root folder of the suite."""


def run_claims(*arguments: str) -> int:
    """Runs pytest with tests of the suite and options. Returns its exit code.

    An argument that begins with `claims` is a test or a folder of the suite, whatever the current folder is.
    """
    words = [str(ROOT / word) if word.startswith("claims") else word for word in arguments]
    return subprocess.run([sys.executable, "-m", "pytest", *words], check=False).returncode
