"""The folder of a report: which folders a new report may replace, and how it replaces the earlier report.

The suite writes a new report beside the folder and then renames it. Therefore a reader always finds a complete report,
either the earlier one or the new one. A manifest lists every file of a report with its digest. The suite deletes only
files that still have this digest.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from referee.errors import UnwritableFolder

MANIFEST = ".referee-report.json"
_MADE_BY = "referee, report 1"
_REMEDY = "Name another folder with --report, or move this one away."
_LOCK_SECONDS = 10.0
"""Longest time in seconds that a finished report waits for another process that renames its own report."""


def resolved(folder: Path) -> Path:
    """Returns the folder at the end of a path, after ~ and symbolic links. It need not exist.

    Raises UnwritableFolder if the path leads to no folder.
    """
    try:
        return folder.expanduser().resolve()
    except (OSError, RuntimeError) as problem:
        raise UnwritableFolder("--report must lead to a folder", f"{folder} ({_why(problem)})", _REMEDY) from problem


def require_replaceable(folder: Path) -> None:
    """Raises UnwritableFolder if a report cannot be written there. The suite calls it before any measurement."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder.parent):
            pass
        if folder.is_mount():
            rule = "--report must name a folder that can be renamed"
            raise UnwritableFolder(rule, f"the mount point {folder}", "Name a folder inside it.")
        if folder.exists() and folder.samefile("."):
            rule = "--report must not name the current folder, which is replaced as a whole"
            raise UnwritableFolder(rule, str(folder), "Name a folder inside it.")
        unexpected = unexpected_content(folder)
        closed = [path for path in _folders(folder) if not os.access(path, os.W_OK | os.X_OK)]
        if closed:
            raise PermissionError(0, f"no permission to change {closed[0]}")
    except OSError as problem:
        raise UnwritableFolder(
            "The report folder must be writable", f"{folder} ({_why(problem)})", _REMEDY
        ) from problem
    if unexpected:
        rule = "--report must name a new folder, or one that contains only an unchanged report"
        raise UnwritableFolder(rule, f"{folder}, which contains {unexpected}", _REMEDY)


def has_report(folder: Path) -> bool:
    """Returns True if a folder contains a report."""
    return "report.json" in _manifest(folder)


def unexpected_content(folder: Path) -> str | None:
    """Describes one thing in a folder that is not part of an unchanged report.

    Returns None if there is no such thing.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        return "no files: it is a file itself"
    own = _manifest(folder)
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            return name
        if path.is_dir():
            if not any(listed.startswith(f"{name}/") for listed in own):
                return f"the folder {name}"
        elif name == MANIFEST:
            if not own:
                return f"{name}, which the suite did not write"
        elif name not in own:
            return name
        elif own[name] != _digest(path):
            return f"{name}, which has changed since the suite wrote it"
    return None


@contextmanager
def replacement(folder: Path, *, keep_existing: bool = False) -> Iterator[tuple[Path, list[Path]]]:
    """Yields an empty folder for the new report, and a list that gets the final path of the report at the end.

    The final path is `folder`. If `folder` then contains something else, the final path is a new folder beside it.
    With `keep_existing`, an existing report in `folder` stays. Then the new report is deleted and the list stays
    empty. The function also deletes the remains of killed processes. If the body raises, the earlier report stays.
    Raises OSError if a file operation fails.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(f"{_prefix(folder)}-new-{uuid4().hex[:8]}")
    new.mkdir()  # this uses the umask of the user, and tempfile does not
    final: list[Path] = []
    try:
        with _locked(new, wait=0):  # the lock shows that the process of this folder is alive
            yield new, final
            files = {str(path.relative_to(new)): _digest(path) for path in _files(new)}
            (new / MANIFEST).write_text(json.dumps({"made_by": _MADE_BY, "files": files}, indent=1), encoding="utf-8")
            with _locked(folder.parent, wait=_LOCK_SECONDS):
                earlier = folder.with_name(f"{_prefix(folder)}-old")
                _recover(folder, earlier)
                if keep_existing and has_report(folder):
                    return
                target = folder if not unexpected_content(folder) else _unused(folder)
                if target == folder and folder.exists():
                    folder.rename(earlier)
                new.rename(target)
                _delete_report(earlier)
                final.append(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _recover(folder: Path, earlier: Path) -> None:
    """Puts back a report that a killed process moved away. Deletes the remains of killed processes."""
    if earlier.exists() and not folder.exists():
        earlier.rename(folder)
    _delete_report(earlier)
    if earlier.exists():  # the folder contains a file of another program
        earlier.rename(_unused(folder))
    for left in folder.parent.glob(f"{_prefix(folder)}-new-*"):
        with suppress(OSError), _locked(left, wait=0) as alone:
            if alone:
                shutil.rmtree(left, ignore_errors=True)


def _delete_report(folder: Path) -> None:
    """Deletes the unchanged files of a report, and then empty folders. Everything else stays. Ignores OSError."""
    own = _manifest(folder)
    with suppress(OSError):
        for path in _files(folder):
            name = str(path.relative_to(folder))
            if name in own and own[name] == _digest(path):
                path.unlink()
        if own and not _files(folder, beside=MANIFEST):
            (folder / MANIFEST).unlink()
        for path in sorted(_folders(folder), reverse=True):
            with suppress(OSError):
                path.rmdir()


def _files(folder: Path, beside: str | None = None) -> list[Path]:
    """Returns the files in a folder and below it, without files named `beside`. Ignores symbolic links."""
    found = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if path.name != beside and path.is_file() and not path.is_symlink())


def _folders(folder: Path) -> list[Path]:
    """Returns a folder and the folders below it. Does not follow symbolic links."""
    return [Path(place) for place, _, _ in os.walk(folder)]


def _unused(folder: Path) -> Path:
    number = 2
    while os.path.lexists(named := folder.with_name(f"{folder.name[:200]}-{number}")):
        number += 1
    return named


def _manifest(folder: Path) -> dict[str, str]:
    """Returns the digest of each file by name. Returns {} if the suite wrote no manifest there."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict) or found.get("made_by") != _MADE_BY or not isinstance(found.get("files"), dict):
        return {}
    return found["files"]


@contextmanager
def _locked(folder: Path, *, wait: float) -> Iterator[bool]:
    """Tries to lock a folder for `wait` seconds. Yields True inside the lock, or False if the lock was not free.

    Some network file systems have no locks. There, two runs must not write the same report at the same time.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() < until:
                    time.sleep(0.02)
                    continue
                yield False
            else:
                yield True
            return
    finally:
        os.close(handle)


def _prefix(folder: Path) -> str:
    return ".report-" + hashlib.sha256(folder.name.encode(errors="surrogateescape")).hexdigest()[:8]


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _why(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem)
