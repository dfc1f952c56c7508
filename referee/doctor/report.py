"""Prints the doctor's report, one section after the other."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module

from referee.doctor.lines import Line, verdict

_SECTIONS = ("libraries", "machine", "caches", "network")
"""The modules with a function `lines`. The libraries come first, because the others fail if one is not installed."""


def run(model: str | None) -> int:
    """Prints the report on the machine, and on a model if one is named. Returns 1 if something is missing, else 0."""
    # A name or the text of an error may contain characters that the terminal cannot show.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    found: list[Line] = []
    for section in _SECTIONS:
        found += _printed(section, _lines_of(section))
    if model is not None:
        found += _printed(f"model {model}", _lines_of("model", model))
    print(verdict(found))
    return int(any(line.missing for line in found))


def _lines_of(section: str, *arguments: str) -> Iterator[Line]:
    """Yields the lines of a section. If a library cannot be imported, it yields a line that says so."""
    try:
        yield from import_module(f"referee.doctor.{section}").lines(*arguments)
    except (ImportError, OSError) as problem:  # OSError: a library that a compiled module needs
        yield Line(section, f"not checked: {str(problem).splitlines()[0]}", missing=True)


def _printed(title: str, lines: Iterable[Line]) -> list[Line]:
    """Prints each line as soon as it is known. Returns the lines."""
    print(title, flush=True)
    kept = []
    for line in lines:
        print(line, flush=True)
        kept.append(line)
    print(flush=True)
    return kept
