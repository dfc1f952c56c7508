"""Runs the claims in another process, as a user does. A report needs neither pytest nor the model; a run does."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
"""Root folder of the suite."""


def run_claims(*arguments: str) -> int:
    """Runs pytest with tests of the suite and options. Returns its exit code.

    An argument that begins with `claims` is a test or a folder of the suite, whatever the current folder is.
    """
    words = [str(ROOT / word) if word.startswith("claims") else word for word in arguments]
    with _stops_like_an_interrupt(), subprocess.Popen([sys.executable, "-m", "pytest", *words]) as run:
        try:
            return run.wait()
        except BaseException:
            run.terminate()  # a run must not go on without the command that asked for it
            raise


@contextmanager
def _stops_like_an_interrupt() -> Iterator[None]:
    """Turns SIGTERM into KeyboardInterrupt. Otherwise Python ends at once, and the run in the other process goes on."""

    def stop(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
