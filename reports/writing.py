"""Writes the files that a command makes."""

from __future__ import annotations

from pathlib import Path

from referee.errors import UnwritableFolder


def write_text(file: Path, text: str) -> None:
    """Writes a text to a file, in UTF-8. Raises UnwritableFolder if that is not possible."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as problem:
        rule = "The output must be a writable file"
        raise UnwritableFolder(rule, f"{file} ({problem.strerror or problem})", "Name another file.") from problem
