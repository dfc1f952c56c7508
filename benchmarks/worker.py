"""One way of doing the work, in a process and an environment of its own: `python -m benchmarks.worker WAY FILE`.

Waits for a line on standard input, does the work, and answers with a line of JSON: seconds and numbers. So that ways
can be timed in turn, although each has its own versions of everything.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from pathlib import Path

import torch

from benchmarks import work


def main(way: str, file: str) -> None:
    """`way` is module:function in benchmarks/ways; the function takes the work and returns what does it."""
    module, _, function = way.partition(":")
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        do = getattr(importlib.import_module(f"benchmarks.ways.{module}"), function)(work.load(Path(file)))
        print(json.dumps({"ready": way, "torch": torch.__version__}), file=answers, flush=True)
        for _ in sys.stdin:
            began = time.perf_counter()
            found = do()
            seconds = time.perf_counter() - began
            print(json.dumps({"seconds": seconds, "found": found.tolist(), "peak": peak()}), file=answers, flush=True)


def peak(pid: int | str = "self") -> int:
    """The largest memory of a process so far, in bytes; what the kernel tells of a child counts its parent's."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(told["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
