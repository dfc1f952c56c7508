"""The folder of a report: what may be replaced, and how a new report takes the old one's place.

A report is written beside its folder and renamed, so that a reader finds the old one or the new one whole. A manifest
of digests says which files are the report's own: nothing else is ever deleted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bandwidth.errors import UnwritableFolder

MANIFEST = "manifest.json"
_REMEDY = "Name another folder with --report."


def located(folder: Path) -> Path:
    """The folder that a path leads to, through ~ and symbolic links, whether it exists or not."""
    try:
        return folder.expanduser().resolve()
    except (OSError, RuntimeError) as problem:
        raise UnwritableFolder("--report must lead to a folder", f"{folder} ({_why(problem)})", _REMEDY) from problem


def require_replaceable(folder: Path) -> None:
    """Raises UnwritableFolder unless a report can be written there, before anything is measured."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder.parent):
            pass
        if folder.is_mount():
            raise UnwritableFolder("--report must name a folder that can be renamed", f"the mount point {folder}",
                                   "Name a folder inside it.")  # fmt: skip
        if folder.exists() and not folder.is_dir():
            raise UnwritableFolder("--report must name a folder", f"the file {folder}", _REMEDY)
        if not folder.exists():
            # A name may be too long, or not allowed on this disk.
            folder.mkdir()
            folder.rmdir()
        stranger = foreign(folder)
    except OSError as problem:
        raise UnwritableFolder(
            "The report folder must be writable", f"{folder} ({_why(problem)})", _REMEDY
        ) from problem
    if stranger:
        raise UnwritableFolder(
            "--report must name a new folder or one with nothing but a report",
            f"{folder} with {stranger}",
            _REMEDY,
        )


def foreign(folder: Path) -> str | None:
    """What a folder has that is not a report as it was written, in words; None where there is nothing else."""
    if not folder.exists():
        return None
    own = _manifest(folder)
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            return name
        if path.is_file() and name != MANIFEST and name not in own:
            return name
        if name in own and own[name] != _digest(path):
            return f"{name}, which was changed since"
        if path.is_dir() and not any(listed.startswith(f"{name}/") for listed in own):
            return f"{name}/"
    return None


@contextmanager
def replaced(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Gives an empty folder to write into, and the name that it gets at the end: `folder`, or another one beside it.

    Another one where there are files by now that are not a report's. One process at a time: others wait. What a killed
    process left behind is removed. If the body fails, the old report stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        making, old = (folder.with_name(f".{_short(folder)}-{state}") for state in ("new", "old"))
        if old.exists() and not folder.exists():
            old.rename(folder)  # a process was killed between its two renames
        shutil.rmtree(making, ignore_errors=True)
        _delete(old)
        if old.exists():  # somebody put a file there
            old = _unused(old)
        final = folder if not foreign(folder) else _unused(folder)
        making.mkdir()
        try:
            yield making, final
            digests = {str(path.relative_to(making)): _digest(path) for path in sorted(making.rglob("*"))
                       if path.is_file()}  # fmt: skip
            (making / MANIFEST).write_text(json.dumps(digests, indent=1), encoding="utf-8")
            if final.exists():
                final.rename(old)
            making.rename(final)
            _delete(old)
        finally:
            shutil.rmtree(making, ignore_errors=True)


def _unused(folder: Path) -> Path:
    number = 2
    while (named := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return named


def _delete(folder: Path) -> None:
    """Removes a report's own files and the folders that are empty then; what was put beside them stays."""
    for name in [*_manifest(folder), MANIFEST]:
        (folder / name).unlink(missing_ok=True)
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):
            path.rmdir()
    with suppress(OSError):
        folder.rmdir()


def _manifest(folder: Path) -> dict[str, str]:
    """Digest by file name; empty where there is no manifest of ours."""
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(listed, dict):
        return {}
    return {name: digest for name, digest in listed.items() if ".." not in Path(name).parts and name[:1] != "/"}


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """One process at a time inside, of those that write reports in the same folder."""
    handle = os.open(parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks know no locks: reports of one folder must not be written at once
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _short(folder: Path) -> str:
    return "report-" + hashlib.sha256(folder.name.encode(errors="surrogateescape")).hexdigest()[:8]


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _why(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem)
