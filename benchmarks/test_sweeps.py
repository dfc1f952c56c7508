"""Compares the referee with other libraries: `pytest benchmarks/test_sweeps.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare, workloads
from benchmarks.compare import Implementation
from benchmarks.conftest import Size
from referee.models.subjects import Subject

FEW = 20
"""The number of trials of one repeat if an implementation runs them one by one. Each trial costs the same."""
OURS = "referee"
LENS = "transformer_lens"
ONE_BY_ONE = (
    Implementation("nnsight, one trace a trial", "with_nnsight:each", "nnsight", FEW),
    Implementation("TransformerLens, one run a trial", "with_transformer_lens:each", LENS, FEW),
    Implementation("pyvene, one call a trial", "with_pyvene:each", "pyvene", FEW),
)
BATCHED = (
    Implementation("nnsight, batches of trials", "with_nnsight:batched", "nnsight"),
    Implementation("TransformerLens, batches of trials", "with_transformer_lens:batched", LENS),
    Implementation("pyvene, batches of trials", "with_pyvene:batched", "pyvene"),
)
REFEREE = Implementation(OURS, "with_referee:sweep")
FLOOR = Implementation("floor: the necessary matrix products", "with_torch:floor", checked=False)
READ_BATCHED = (
    Implementation("nnsight, batches of prompts", "with_nnsight:read_batched", "nnsight"),
    Implementation("TransformerLens, batches of prompts", "with_transformer_lens:read_batched", LENS),
)
READ = (
    Implementation("nnsight, one trace a prompt", "with_nnsight:read_each", "nnsight"),
    Implementation("TransformerLens, one run a prompt", "with_transformer_lens:read_each", LENS),
    *READ_BATCHED,
    Implementation(OURS, "with_referee:read"),
)
Show = Callable[[str, str], None]


@pytest.mark.parametrize("last_row", [False, True], ids=["all rows", "last row"])
def test_compare_sweeps(last_row: bool, benchmark: Any, subject: Subject, folder: Path, size: Size, show: Show) -> None:
    """Compares trials of one prompt with edits of all rows of the pattern, or of its last row alone."""
    workload = workloads.sweep(subject, folder, last_row=last_row, count=size.trials)
    entries = compare.prepared((*ONE_BY_ONE, *BATCHED, REFEREE, FLOOR), workload)

    compare.run(benchmark, entries, OURS, size.repeats)

    floor = min((entry for entry in entries if entry.name == FLOOR.name), key=lambda entry: entry.milliseconds)
    flop = floor.found.item()
    rows = "the last row" if last_row else "all rows"
    title = f"{len(workload)} edits of {rows}, {len(workload.ids)} tokens; repeats: {size.repeats}"
    show(
        title,
        f"{compare.table(entries, 'trial')}\n"
        f"{compare.against_the_best(entries, OURS, [each.name for each in BATCHED])}\n"
        f"The floor is {flop / 1e9:.2f} GFLOP a trial, at {flop / floor.milliseconds / 1e6:.0f} GFLOP/s"
        f" with {floor.library}.",
    )


def test_compare_readings(benchmark: Any, subject: Subject, folder: Path, size: Size, show: Show) -> None:
    """Compares readings of the patterns of five layers for many prompts."""
    workload = workloads.reading(subject, folder, count=size.prompts)
    entries = compare.prepared(READ, workload)

    compare.run(benchmark, entries, OURS, size.repeats)

    layers = f"{workload.layers[0]} to {workload.layers[-1]}"
    show(
        f"patterns of layers {layers} of {len(workload)} prompts; repeats: {size.repeats}",
        f"{compare.table(entries, 'prompt')}\n"
        f"{compare.against_the_best(entries, OURS, [each.name for each in READ_BATCHED])}",
    )
