"""Compares implementations of one workload in one process: first their results, then their times.

Every implementation runs with each library of matrix products. All of them run in turn, so that a slow minute of the
machine slows them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import Any
from unittest import mock

from torch import Tensor

from benchmarks.workloads import Reading, Sweep
from referee.attention import onednn

TORCH, ONEDNN = "PyTorch", "oneDNN"
"""The libraries of matrix products: the one that PyTorch uses by default, and oneDNN."""
CLOSE = 1e-3
"""An implementation whose results differ more from the expected ones computes something else."""


def libraries() -> tuple[str, ...]:
    """Returns the libraries to compare. oneDNN is among them only if the referee uses it on this processor."""
    return (TORCH, ONEDNN) if onednn._pays() else (TORCH,)


@dataclass(frozen=True)
class Implementation:
    """One implementation of a workload.

    Attributes:
        name: its name in tables.
        function: module:function in benchmarks/implementations. The function takes the workload and returns a function
            that computes its results.
        needs: the library that must be installed.
        count: the number of trials or prompts that one repeat computes. By default, it computes all of them.
        checked: whether its results are compared with the expected ones. The floor has no results.
    """

    name: str
    function: str
    needs: str = "torch"
    count: int | None = None
    checked: bool = True

    def prepared(self, workload: Sweep | Reading) -> Callable[[], Tensor]:
        """Returns the function that computes the results of the workload."""
        module, _, function = self.function.partition(":")
        return getattr(import_module(f"benchmarks.implementations.{module}"), function)(workload)


class Entry:
    """An implementation with one library of matrix products, and its times.

    Attributes:
        found: the results of the latest repeat.
        seconds: the time of each repeat but the first one, which only warms up.
        difference: the largest difference from the expected results; None if the implementation has no results.
    """

    def __init__(self, implementation: Implementation, library: str, workload: Sweep | Reading) -> None:
        self.name, self.library = implementation.name, library
        self._quick_inside = implementation.function.startswith("with_referee:")
        few = implementation.count
        self._workload = workload.first(few) if few and isinstance(workload, Sweep) else workload
        self.seconds: list[float] = []
        with self._products():
            self._compute = implementation.prepared(self._workload)
        self.repeat()
        self.seconds.clear()
        self.difference: float | None = None
        if implementation.checked:
            expected = self._workload.expected
            assert self.found.shape == expected.shape, f"{self.name} must have one result for each trial or prompt"
            self.difference = (self.found.double() - expected).abs().max().item()

    def repeat(self) -> None:
        """Computes the workload once."""
        with self._products():
            began = perf_counter()
            self.found = self._compute()
            self.seconds.append(perf_counter() - began)

    @property
    def milliseconds(self) -> float:
        """The median time of one trial or one prompt."""
        return 1000 * median(self.seconds) / len(self._workload)

    @contextmanager
    def _products(self) -> Iterator[None]:
        """Inside the context, linear layers use the library of this entry. The referee uses `onednn.quick` itself."""
        with mock.patch.object(onednn, "_pays", return_value=self.library == ONEDNN):
            quick = nullcontext() if self._quick_inside else onednn.quick()
            with quick:
                yield


def prepared(implementations: Sequence[Implementation], workload: Sweep | Reading) -> list[Entry]:
    """Returns one entry for each implementation that is installed and each library, all warmed up and checked.

    Raises AssertionError if the results of an entry differ from the expected ones.
    """
    installed = [each for each in implementations if find_spec(each.needs)]
    entries = [Entry(each, library, workload) for each in installed for library in libraries()]
    differences = {(e.name, e.library): e.difference for e in entries if e.difference is not None}
    wrong = {name: difference for name, difference in differences.items() if not difference <= CLOSE}  # also NaN
    assert not wrong, f"Results must differ from the expected ones by at most {CLOSE}; got {wrong}"
    return entries


def run(benchmark: Any, entries: Sequence[Entry], ours: str, repeats: int) -> None:
    """Repeats all entries in turn. pytest-benchmark times our implementation with the last library."""
    (measured,) = [entry for entry in entries if (entry.name, entry.library) == (ours, libraries()[-1])]
    others = [entry for entry in entries if entry is not measured]

    def repeat_others() -> None:
        for entry in others:
            entry.repeat()

    benchmark.pedantic(measured.repeat, setup=repeat_others, rounds=repeats)
    for entry in entries:
        benchmark.extra_info[f"{entry.name}, {entry.library}"] = {
            "milliseconds": round(entry.milliseconds, 3),
            "difference": entry.difference,
        }


def table(entries: Sequence[Entry], unit: str) -> str:
    """Returns a Markdown table with one line for each implementation.

    The speeds are relative to the first implementation with PyTorch's products.
    """
    slowest = entries[0].milliseconds
    head = " | ".join(f"ms a {unit}, {library} | speed" for library in libraries())
    lines = [f"| | {head} | largest difference |", "|---|" + "---:|---:|" * len(libraries()) + "---:|"]
    for name, of_name in _by_name(entries).items():
        times = [of_name[library].milliseconds for library in libraries()]
        cells = " | ".join(f"{ms:.3g} | {slowest / ms:.3g}" for ms in times)
        differences = [entry.difference for entry in of_name.values() if entry.difference is not None]
        lines.append(f"| {name} | {cells} | {f'{max(differences):.0e}' if differences else ''} |")
    return "\n".join(lines)


def against_the_best(entries: Sequence[Entry], ours: str, peers: Sequence[str]) -> str:
    """Returns one sentence for each library: our speed relative to that of the fastest peer among `peers`."""
    found, lines = _by_name(entries), []
    for library in libraries():
        installed = [found[name][library] for name in peers if name in found]
        best = min(installed, key=lambda entry: entry.milliseconds)
        ratio = best.milliseconds / found[ours][library].milliseconds
        lines.append(f"With the products of {library}, {ours} is {ratio:.2g} times as fast as {best.name}.")
    return "\n".join(lines)


def _by_name(entries: Sequence[Entry]) -> Mapping[str, Mapping[str, Entry]]:
    """Returns the entries by implementation and library."""
    names = dict.fromkeys(entry.name for entry in entries)
    return {name: {entry.library: entry for entry in entries if entry.name == name} for name in names}
