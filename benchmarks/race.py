"""Runs ways in turn, each in its own process, and compares what they found and how long they took."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.environments import python_of

ROOT = Path(__file__).parents[1]
_OF = {"with_transformer_lens": "transformer_lens", "with_pyvene": "pyvene"}


@dataclass
class Runner:
    """One way at one work, in a process that waits for its turns.

    Attributes:
        way: module:function of benchmarks/ways.
        count: how many trials or prompts one turn does.
        seconds: of each turn but the first, which only warms up.
        off: largest difference of what it finds from what is right; None for what finds nothing.
    """

    way: str
    work: Path
    count: int
    expected: Tensor | None
    seconds: list[float] = field(default_factory=list)
    off: float | None = None
    peak: int = 0
    found: Tensor | None = None

    def __post_init__(self) -> None:
        python = python_of(_OF.get(self.way.partition(":")[0], ""))
        command = [str(python), "-m", "benchmarks.worker", self.way, str(self.work)]
        quiet = os.environ | {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=quiet, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._answer()
        self.turn()
        self.seconds.clear()

    def turn(self) -> float:
        """Does the work once; seconds, measured inside the process."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.seconds.append(answer["seconds"])
        self.peak, self.found = answer["peak"], torch.tensor(answer["found"], dtype=torch.float64)
        if self.expected is not None:
            self.off = (self.found - self.expected).abs().max().item()
        return answer["seconds"]

    @property
    def milliseconds(self) -> float:
        """A trial's or prompt's, median of the turns."""
        return 1000 * median(self.seconds) / self.count

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.way} ended with code {self._process.wait()}")
        return json.loads(line)


def run(benchmark: Any, runners: Mapping[str, Runner], ours: str, rounds: int) -> None:
    """Times our way with pytest-benchmark; before each of its rounds, every other way has a turn."""
    others = [runner for name, runner in runners.items() if name != ours]

    def turns() -> None:
        for runner in others:
            runner.turn()

    benchmark.pedantic(runners[ours].turn, setup=turns, rounds=rounds)
    slowest = next(iter(runners.values()))
    for name, runner in runners.items():
        benchmark.extra_info[name] = {
            "milliseconds": round(runner.milliseconds, 3),
            "times as fast": round(slowest.milliseconds / runner.milliseconds, 2),
            "off": runner.off,
            "peak_bytes": runner.peak,
        }


def table(runners: Mapping[str, Runner], unit: str) -> str:
    """Markdown: a line a way; the first one is what the others are compared with."""
    slowest = next(iter(runners.values())).milliseconds
    lines = [f"| way | ms a {unit} | × | off by | peak memory |", "|---|---:|---:|---:|---:|"]
    for name, runner in runners.items():
        off = "" if runner.off is None else f"{runner.off:.0e}"
        ms = runner.milliseconds
        lines.append(f"| {name} | {ms:.3g} | {slowest / ms:.3g} | {off} | {runner.peak / 1e9:.1f} GB |")
    return "\n".join(lines)
