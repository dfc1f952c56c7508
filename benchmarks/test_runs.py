"""Measures whole runs of this checkout and of another one, and the start: `pytest benchmarks/test_runs.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from benchmarks.conftest import Size
from referee.models.embedded import CACHE_VARIABLE, cache_folder

ROOT = Path(__file__).resolve().parents[1]
CACHE_VARIABLES = (CACHE_VARIABLE, "BANDWIDTH_CACHE")
"""The environment variables that name the cache, in this checkout and in the other one."""
RUNS = (("planted", "quick"), ("smollm2", "quick"), ("smollm2", "standard"))
CLOSE = 1e-3
"""Two checkouts whose estimates differ more measure different things."""
STARTS = {
    "python": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "import torch, transformers, nnsight": ["-c", "import torch, transformers, nnsight"],
    "import referee.measuring.session": ["-c", "import referee.measuring.session"],
    "pytest claims/ --collect-only": ["-m", "pytest", "claims/", "--collect-only", "-q"],
}
Show = Callable[[str, str], None]


@dataclass(frozen=True)
class Timed:
    """A process that has ended.

    Attributes:
        seconds: its time.
        first: the time until the first verdict, in seconds; None without a verdict.
        peak: the largest memory, in bytes.
    """

    seconds: float
    first: float | None
    peak: int


@dataclass(frozen=True)
class Checkout:
    """A folder with this project, and the interpreter that runs it."""

    folder: Path
    python: Path

    @property
    def name(self) -> str:
        """The commit, and a mark if files differ from it."""
        git = ["git", "-C", str(self.folder), "describe", "--always", "--dirty", "--exclude=*"]
        return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "no commit"

    def timed(self, command: Sequence[str], cache: Path) -> Timed:
        """Runs Python with these arguments. `cache` is the folder for models and results."""
        environment = os.environ | dict.fromkeys(CACHE_VARIABLES, str(cache)) | {"HF_HUB_OFFLINE": "1"}
        began, first, peak = time.perf_counter(), None, 0
        line = ""
        with subprocess.Popen(
            [str(self.python), *command],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout
            for line in process.stdout:
                peak = _peak(process.pid) or peak
                if first is None and line[:1] in "✓✗?–":
                    first = time.perf_counter() - began
        # Refuted claims give exit code 1.
        assert process.returncode in (0, 1), f"{self.folder}: {line}"
        return Timed(time.perf_counter() - began, first, peak)


def _peak(process: int) -> int | None:
    """Returns the largest memory of a process so far, in bytes; None if the system does not report it."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return int(dict(line.split(":", 1) for line in lines)["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):
        return None


@pytest.fixture
def checkouts(pytestconfig: pytest.Config) -> list[Checkout]:
    """Returns this checkout, and the one that --other-checkout names. Each runs with its own .venv if it has one."""
    here = ROOT / ".venv" / "bin" / "python"
    found = [Checkout(ROOT, here if here.exists() else Path(sys.executable))]
    if other := pytestconfig.option.other_checkout:
        python = other.resolve() / ".venv" / "bin" / "python"
        assert python.exists(), f"The other checkout must have an environment in .venv; got no {python}"
        found.append(Checkout(other.resolve(), python))
    return found


def empty_cache(folder: Path) -> Path:
    """Returns a new cache folder with the same models and without results."""
    folder.mkdir(parents=True)
    for each in cache_folder().iterdir():
        if each.name != "results":
            (folder / each.name).symlink_to(each)
    return folder


def judged(report: Path) -> dict[str, tuple[str, float | None]]:
    """Returns the verdict and the estimate of each claim in a report, by the id of the claim."""
    claims = json.loads((report / "report.json").read_text())["claims"]
    return {each["id"]: (each["verdict"], each["estimate"] and each["estimate"]["value"]) for each in claims}


def require_equal(reports: Sequence[Path]) -> str:
    """Returns a sentence about the estimates of the reports. Raises AssertionError if they or the verdicts differ."""
    first, *others = map(judged, reports)
    largest = 0.0
    for other in others:
        assert {id: verdict for id, (verdict, _) in first.items()} == {
            id: verdict for id, (verdict, _) in other.items()
        }
        pairs = [(first[id][1], other[id][1]) for id in first]
        largest = max([largest, *(abs(a - b) for a, b in pairs if a is not None and b is not None)])
    assert largest <= CLOSE, f"Estimates must differ by at most {CLOSE}; got {largest}"
    return f"The {len(first)} verdicts are equal. The estimates differ by at most {largest:.0e}."


@pytest.mark.parametrize(("model", "profile"), RUNS, ids=["-".join(run) for run in RUNS])
def test_compare_runs(
    model: str, profile: str, benchmark: Any, checkouts: list[Checkout], size: Size, tmp_path: Path, show: Show
) -> None:
    """Measures `pytest claims/` from cached weights, without results and with all results of the run before."""
    found: dict[tuple[Checkout, str], list[Timed]] = {}
    said = ""

    def once() -> None:
        nonlocal said
        number = sum(map(len, found.values()))
        reports = [tmp_path / f"report-{number}-{i}" for i in range(len(checkouts))]
        for i, (checkout, report) in enumerate(zip(checkouts, reports, strict=True)):
            cache = empty_cache(tmp_path / f"cache-{number}-{i}")
            options = ["--model", model, "--profile", profile, "--report", str(report)]
            for what in ("no results", "all results"):
                timed = checkout.timed(["-m", "pytest", "claims/", *options], cache)
                found.setdefault((checkout, what), []).append(timed)
        said = require_equal(reports)

    benchmark.pedantic(once, rounds=size.repeats)

    lines = ["| checkout | cache has | whole run | first verdict | peak memory |", "|---|---|---:|---:|---:|"]
    for (checkout, what), times in found.items():
        seconds = median(each.seconds for each in times)
        first = median(each.first or float("nan") for each in times)
        peak = max(each.peak for each in times)
        lines.append(f"| {checkout.name} | {what} | {seconds:.1f} s | {first:.1f} s | {peak / 1e9:.1f} GB |")
        benchmark.extra_info[f"{checkout.name}, {what}"] = {"seconds": seconds, "first": first, "peak": peak}
    show(f"pytest claims/ --model {model} --profile {profile}; repeats: {size.repeats}", "\n".join([*lines, said]))


def test_start(benchmark: Any, checkouts: list[Checkout], size: Size, tmp_path: Path, show: Show) -> None:
    """Measures the time until Python, the libraries, the session and the list of claims are loaded."""
    cache = empty_cache(tmp_path / "cache")
    seconds: dict[str, list[float]] = {name: [] for name in STARTS}

    def once() -> None:
        for name, command in STARTS.items():
            seconds[name].append(checkouts[0].timed(command, cache).seconds)

    benchmark.pedantic(once, rounds=size.repeats)

    found = {name: median(times) for name, times in seconds.items()}
    benchmark.extra_info |= found
    lines = ["| | s |", "|---|---:|", *(f"| `{name}` | {each:.1f} |" for name, each in found.items())]
    show(f"start; repeats: {size.repeats}", "\n".join(lines))
