"""Reads report.json and the other documents of the suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from referee.errors import UnreadableReport
from reports.models import SCHEMA_VERSION, Report

Kind = TypeVar("Kind", bound=BaseModel)


def read(file: Path) -> Report:
    """Returns the report in a file. Raises UnreadableReport if it is no report of this version."""
    return document(file, Report, version_field="schema_version", version=SCHEMA_VERSION, name="a report.json")


def document(file: Path, kind: type[Kind], *, version_field: str, version: int, name: str) -> Kind:
    """Returns the document in a JSON file. Raises UnreadableReport if the file is no such document of this version.

    Args:
        kind: the model of the document.
        version_field: the field with the version of its schema.
        version: the version that this suite reads.
        name: what the file must be, for messages.
    """
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        got = f"{file} ({problem.strerror or problem})"
        raise UnreadableReport("The file must be readable", got, "Name another file.") from problem
    except ValueError as problem:
        got = f"{file}, which is no JSON"
        raise UnreadableReport(f"The file must be {name} of this suite", got, "Name another file.") from problem
    found = content.get(version_field) if isinstance(content, dict) else None
    if not isinstance(found, int):
        got = f"{file}, which has no {version_field}"
        raise UnreadableReport(f"The file must be {name} of this suite", got, "Name another file.")
    if found != version:
        remedy = "Use a newer suite." if found > version else "Use the suite that wrote it, or make it again."
        raise UnreadableReport(f"{version_field} must be {version}", f"{found} in {file}", remedy)
    try:
        return kind.model_validate(content)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(map(str, first["loc"]))
        got = f"{where}: {first['msg']} in {file}"
        raise UnreadableReport(f"The file must be {name} of this suite", got, "Name an unchanged file.") from problem
