"""What was measured before, on disk: results by a digest of everything that they depend on.

A wrong hit is worse than a slow run. The digest covers the subject's fingerprint, layer, dtype, kind of device, the
way of computing, the prompt with everything known of its tokens, the edit or measure with its values, and the source
text of the instrument itself. What moves a result's last digits alone is not in it: the processor, what else was
measured in the same batch, and which rows were known from what was measured before.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sqlite3
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bandwidth.embedded import cache_folder

if TYPE_CHECKING:
    from bandwidth.subjects import Subject

_AT_ONCE = 500
"""Keys of one query; SQLite allows 999."""
_PATIENCE_SECONDS = 10.0
"""How long another process may hold the file."""
_LAYOUT = 0x62770002
"""SQLite's user_version of our files: changes with the table, so that a file of another layout is not read."""
_SOUND = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
"""Failures for which the file itself is not to blame."""
_NAME = re.compile(r"[0-9a-f]{16,32}\.sqlite(-wal|-shm|\.damaged.*)?")
"""Of our files: a fingerprint, and what SQLite or we add to it."""


class Store:
    """Results of one subject in one SQLite file, safe with several processes at once.

    It never fails: results that cannot be read or written are measured again, and one warning says why. A damaged file
    is kept under another name.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._connection: sqlite3.Connection | None = None
        self._warned = False
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            self._warn(problem.strerror or str(problem))
            return
        with self._surviving():
            self._connection = self._opened()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Any]:
        """What is known, by key."""
        found: dict[bytes, Any] = {}
        with self._surviving():
            for start in range(0, len(keys) if self._connection else 0, _AT_ONCE):
                assert self._connection is not None
                some = list(keys[start : start + _AT_ONCE])
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(f"SELECT key, sum, value FROM measured WHERE key IN ({marks})", some)
                # A value that is not what was written is no result.
                found |= {key: _unpacked(value) for key, kept, value in rows if kept == _sum(value)}
        return found

    def keep(self, results: Iterable[tuple[bytes, Any]]) -> None:
        """Writes results at once and for good: what a killed run has measured stays."""
        if self._connection is None:
            return
        packed = [(key, _packed(value)) for key, value in results]
        with self._surviving(), self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO measured VALUES (?, ?, ?)", ((key, _sum(value), value) for key, value in packed)
            )

    def close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=_PATIENCE_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            with connection:
                connection.execute("BEGIN IMMEDIATE")  # another process may be making the same file
                (layout,) = connection.execute("PRAGMA user_version").fetchone()
                (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if tables == 0:
                    connection.execute("CREATE TABLE measured (key BLOB PRIMARY KEY, sum BLOB, value BLOB)")
                    connection.execute(f"PRAGMA user_version = {_LAYOUT}")
                elif layout != _LAYOUT:
                    raise sqlite3.DatabaseError("a file of another kind")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        """Inside, a failure of the file ends its use; a damaged file is set aside, and a new one begun."""
        try:
            yield
        except (sqlite3.Error, OSError) as problem:
            self.close()
            sound = getattr(problem, "sqlite_errorcode", None)
            if isinstance(problem, OSError) or (sound is not None and sound & 0xFF in _SOUND) or self._warned:
                self._warn(str(problem))
                return
            self._warn(f"{problem}{self._set_aside()}")
            with suppress(sqlite3.Error, OSError):
                self._connection = self._opened()

    def _set_aside(self) -> str:
        """Gives a damaged file and its companions other names; says which, in words that follow the problem."""
        target = self.file.with_name(f"{self.file.name}.damaged-{time.time_ns()}")
        try:
            self.file.rename(target)
            for ending in ("-wal", "-shm"):
                self.file.with_name(self.file.name + ending).unlink(missing_ok=True)
        except OSError as problem:
            return f", and it cannot be renamed: {problem.strerror}"
        return f"; the file is now {target.name}"

    def _warn(self, why: str) -> None:
        if not self._warned:
            warnings.warn(
                f"Results in {self.file} cannot be used ({why}). Nothing is lost but time: they are measured.",
                stacklevel=2,
            )
        self._warned = True


def folder() -> Path:
    """Where results are kept."""
    return cache_folder() / "results"


@contextmanager
def kept(subject: Subject) -> Iterator[Store]:
    """The results of one subject on disk, open inside. Where that fails, a warning says so and nothing is kept."""
    opened = Store(folder() / f"{subject.fingerprint}.sqlite")
    try:
        yield opened
    finally:
        opened.close()


def key(subject: Subject, way: str, *parts: Any) -> bytes:
    """The digest of a result. `way` says how it is computed, `parts` of what: tokens, edits, measures, layers."""
    told = "\n".join((instrument(), subject.fingerprint, str(subject.layer), subject.dtype, subject.device.type, way))
    digest = hashlib.sha256(told.encode())
    for part in parts:
        digest.update(_told(part))
    return digest.digest()


def keepable(*parts: Any) -> bool:
    """Whether the source text of everything that parts do belongs to the instrument, whose digest is in the key.

    An edit or measure that is defined elsewhere may change without its name doing so: its results are not kept.
    """
    return all(_own(part) for part in parts)


@lru_cache(maxsize=100_000)
def _own(part: Any) -> bool:
    if isinstance(part, tuple):
        return all(map(_own, part))
    if not is_dataclass(part):
        return isinstance(part, (str, int, float, range, type(None)))
    held = (getattr(part, field.name) for field in fields(part))
    return type(part).__module__.startswith("bandwidth.") and all(_own(value) for value in held)


@cache
def instrument() -> str:
    """Digest of the source text of every module of the instrument, and of the libraries that compute."""
    import transformers

    libraries = f"{torch.__version__} {transformers.__version__} {version('nnsight')}"
    digest = hashlib.sha256(libraries.encode())
    here = Path(__file__).parent
    for file in sorted(here.rglob("*.py")):
        digest.update(f"{file.relative_to(here)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=100_000, typed=True)
def _told(part: Any) -> bytes:
    return hashlib.sha256(_canonical(part).encode()).digest()


def _canonical(value: Any) -> str:
    """Every value in full, with its type; floats exactly, and of what dataclasses hold in turn, the digests."""
    if is_dataclass(value) and not isinstance(value, type):
        held = ",".join(f"{field.name}={_digest_or_all(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__module__}.{type(value).__qualname__}({held})"
    if isinstance(value, (tuple, list, range)):
        return f"({','.join(map(_canonical, value))})"
    if isinstance(value, float):
        return value.hex()
    if value is None or isinstance(value, (str, int, bool)):
        return f"{type(value).__name__}:{value!r}"
    raise TypeError(f"A result can depend on numbers, text, tuples and dataclasses of them; got {type(value).__name__}")


def _digest_or_all(value: Any) -> str:
    # Equal parts of many wishes, above all their prompts, are told once.
    return _told(value).hex() if is_dataclass(type(value)) else _canonical(value)


def _sum(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()[:8]


def _packed(value: Any) -> bytes:
    """A tensor as numpy's own format, anything else as JSON, whose floats are exact; neither holds code."""
    if not isinstance(value, torch.Tensor):
        return json.dumps(value).encode()
    buffer = io.BytesIO()
    np.save(buffer, value.numpy(), allow_pickle=False)
    return buffer.getvalue()


def _unpacked(value: bytes) -> Any:
    if not value.startswith(b"\x93NUMPY"):
        return json.loads(value)
    return torch.from_numpy(np.load(io.BytesIO(value), allow_pickle=False))


def files() -> list[Path]:
    """Our files in the folder of results: nothing else there is ours, whatever it is."""
    found = [file for file in folder().glob("*") if _NAME.fullmatch(file.name)]
    return sorted(file for file in found if file.is_file() and not file.is_symlink())


def size() -> int:
    """Bytes of all that is kept."""
    return sum(file.stat().st_size for file in files())


def clear() -> int:
    """Removes all that is kept; returns how many bytes that were."""
    freed = size()
    for file in files():
        file.unlink()
    return freed


def main() -> None:
    """python -m bandwidth.store [--clear]"""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m bandwidth.store", description="Results kept on disk.")
    parser.add_argument("--clear", action="store_true", help="remove them")
    if parser.parse_args().clear:
        print(f"removed {clear() / 1e6:.1f} MB from {folder()}")
    else:
        print(f"{size() / 1e6:.1f} MB in {folder()}")


if __name__ == "__main__":
    main()
