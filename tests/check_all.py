"""Runs all checks of a developer, and stops at the first one that fails.

python tests/check_all.py            everything
python tests/check_all.py --quick    without the slow tests
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REFUTED = 1
"""The exit code of pytest if a claim is refuted. On the planted model this is right for one claim."""


def checks(report: Path, *, quick: bool) -> list[tuple[tuple[str, ...], int]]:
    """Returns the arguments of Python for each check, and the largest exit code with which the check passes."""
    claims = ("pytest", "claims/", "--model", "planted", "--profile", "quick", "--report", str(report))
    return [
        (("-m", "ruff", "check", "."), 0),
        (("-m", "ruff", "format", "--check", "."), 0),
        (("-m", "mypy"), 0),
        (("-m", "pytest", "-n", "auto", *(("-m", "not slow") if quick else ())), 0),
        (("-m", *claims), REFUTED),
        (("tests/check_report.py", str(report / "report.json")), 0),
    ]


def main(arguments: Sequence[str]) -> int:
    """Returns 0 if all checks pass, and otherwise the exit code of the check that failed."""
    if not set(arguments) <= {"--quick"}:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        for check, allowed in checks(Path(folder) / "report", quick="--quick" in arguments):
            print(f"+ python {shlex.join(check)}", flush=True)
            code = subprocess.run([sys.executable, *check], cwd=ROOT).returncode
            if not 0 <= code <= allowed:
                print(f"This check failed with exit code {code}; the checks after it did not run.", file=sys.stderr)
                return code
    print("All checks passed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
