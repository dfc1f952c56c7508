"""What a user waits for: whole runs with an empty and a full store of results, imports, the first claim."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import worker
from referee.models.embedded import cache_folder

ROOT = Path(__file__).parents[1]
STARTS = {
    "python, nothing imported": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "import torch, transformers, nnsight": ["-c", "import torch, transformers, nnsight"],
    "import bandwidth.sweep": ["-c", "import bandwidth.sweep"],
    "pytest claims/ --collect-only": ["-m", "pytest", "claims/", "--collect-only", "-q"],
}
ROUNDS = 3


@pytest.fixture
def elsewhere(tmp_path):
    """A cache with the same models and without results."""
    for held in cache_folder().iterdir():
        if held.name not in ("results", "peers"):
            (tmp_path / held.name).symlink_to(held)
    return os.environ | {"BANDWIDTH_CACHE": str(tmp_path)}


def timed(command, environment):
    """Seconds to the end and to the first verdict (None without one), and the process's largest memory in bytes."""
    began, first, peak = time.perf_counter(), None, 0
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            peak = memory(process.pid) or peak
            if first is None and line[:1] in "✓✗?–":
                first = time.perf_counter() - began
    assert process.returncode in (0, 1), line
    return time.perf_counter() - began, first, peak


def memory(pid):
    """The largest memory of a process so far, in bytes; None once it has ended. Its last line comes at the end."""
    try:
        return worker.peak(pid)
    except (OSError, KeyError):
        return None


@pytest.mark.parametrize("model", ["smollm2", "planted"])
@pytest.mark.parametrize("profile", ["quick", "standard"])
def test_run(profile, model, benchmark, elsewhere, tmp_path, show):
    """`pytest claims/` from cached weights, without results and with all of them."""
    options = ["--model", model, "--profile", profile, "--report", str(tmp_path / "report")]
    command = ["-m", "pytest", "claims/", *options]
    first = benchmark.pedantic(timed, args=(command, elsewhere), rounds=1)
    again = timed(command, elsewhere)

    lines = ["| | whole run | first verdict | peak memory |", "|---|---:|---:|---:|"]
    for name, (seconds, verdict, peak) in (("no results yet", first), ("all results kept", again)):
        lines.append(f"| {name} | {seconds:.0f} s | {verdict:.1f} s | {peak / 1e9:.1f} GB |")
        benchmark.extra_info[name] = {"seconds": seconds, "first verdict": verdict, "peak_bytes": peak}
    show(f"pytest claims/ --model {model} --profile {profile}", "\n".join(lines))


def test_start(benchmark, elsewhere, show):
    """Each in turn."""
    seconds = {name: [] for name in STARTS}

    def once():
        for name, command in STARTS.items():
            seconds[name].append(timed(command, elsewhere)[0])

    benchmark.pedantic(once, rounds=ROUNDS)
    found = {name: sorted(each)[len(each) // 2] for name, each in seconds.items()}
    benchmark.extra_info |= found
    show("start", "\n".join(["| | s |", "|---|---:|", *(f"| {n} | {s:.1f} |" for n, s in found.items())]))
