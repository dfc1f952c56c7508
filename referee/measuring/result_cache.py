"""Keeps results on disk, in one SQLite file for each subject. `result_keys` makes the keys."""

from __future__ import annotations

import re
import sqlite3
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referee.measuring.packing import checksum, packed, unpacked
from referee.models.embedded import cache_folder

if TYPE_CHECKING:
    from referee.models.subjects import Subject

_AT_ONCE = 500
"""The largest number of keys in one query. SQLite allows 999."""
_LOCK_SECONDS = 10.0
"""The longest wait for a file that another process has locked, in seconds."""
_LAYOUT = 0x72660001
"""The user_version of our SQLite files. Change it when the table changes: files of another version are not read."""
_NOT_DAMAGE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
"""Error codes of SQLite that do not mean that the file is damaged."""
_NAME = re.compile(r"[0-9a-f]{16,32}\.sqlite(-wal|-shm|\.damaged.*)?")
"""The names of our files: a fingerprint, `.sqlite`, and an ending that SQLite or `_set_aside` may add."""


class ResultCache:
    """The results of one subject in one SQLite file. Several processes can use the file at the same time.

    A file error raises no exception. The caller measures missing results again, and one warning gives the reason. A
    damaged file gets another name.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._connection: sqlite3.Connection | None = None
        self._warned = False
        self._opened_file: tuple[int, int] | None = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            self._warn(problem.strerror or str(problem))
            return
        with self._surviving():
            self._connection = self._opened()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Any]:
        """Returns the results that the file has, by key."""
        found: dict[bytes, Any] = {}
        with self._surviving():
            for start in range(0, len(keys) if self._connection else 0, _AT_ONCE):
                assert self._connection is not None
                some = list(keys[start : start + _AT_ONCE])
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(f"SELECT key, sum, value FROM measured WHERE key IN ({marks})", some)
                # A value that does not match its checksum is damaged, so it is left out.
                found |= {key: unpacked(value) for key, kept, value in rows if kept == checksum(value)}
        return found

    def keep(self, results: Iterable[tuple[bytes, Any]]) -> None:
        """Writes results immediately. They stay even if the run is killed later."""
        if self._connection is None:
            return
        rows = [(key, packed(value)) for key, value in results]
        with self._surviving(), self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO measured VALUES (?, ?, ?)",
                ((key, checksum(value), value) for key, value in rows),
            )

    def close(self) -> None:
        """Closes the file. Later calls find and keep nothing."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        """Opens the file and makes it if it is missing. Waits while another process makes it."""
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            self._opened_file = _identity(self.file)
            connection = sqlite3.connect(self.file, timeout=_LOCK_SECONDS)
            try:
                _prepare(connection)
                self._opened_file = _identity(self.file)
                return connection
            except BaseException as problem:
                connection.close()
                # SQLite does not wait for a lock when it changes the journal mode, so this loop waits.
                if getattr(problem, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(0.02)

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        """Inside the context, a file error ends the use of the file. A damaged file is renamed and replaced."""
        try:
            yield
        except (sqlite3.Error, OSError) as problem:
            self.close()
            code = getattr(problem, "sqlite_errorcode", None)
            if isinstance(problem, OSError) or (code is not None and code & 0xFF in _NOT_DAMAGE) or self._warned:
                self._warn(str(problem))
                return
            self._warn(f"{problem}{self._set_aside()}")
            with suppress(sqlite3.Error, OSError):
                self._connection = self._opened()

    def _set_aside(self) -> str:
        """Renames a damaged file and the files that SQLite put beside it. Returns the end of the warning text."""
        target = self.file.with_name(f"{self.file.name}.damaged-{time.time_ns()}")
        if self._opened_file and _identity(self.file) not in (self._opened_file, None):
            return "; another process has renamed it"
        try:
            for ending in ("", "-wal", "-shm"):
                beside = self.file.with_name(self.file.name + ending)
                if beside.exists():
                    beside.rename(target.with_name(target.name + ending))
        except OSError as problem:
            return f", and it cannot be renamed: {problem.strerror}"
        return f"; the file is now {target.name}"

    def _warn(self, why: str) -> None:
        """Warns once that the file cannot be used; `why` is the reason."""
        if not self._warned:
            warnings.warn(
                f"The result cache must be readable and writable; got {self.file} ({why}). Results are measured again;"
                " set REFEREE_CACHE to use another folder.",
                stacklevel=2,
            )
        self._warned = True


def _prepare(connection: sqlite3.Connection) -> None:
    """Makes the table of a new file. Raises sqlite3.DatabaseError if the file is not a result cache of this version."""
    connection.execute("PRAGMA journal_mode = WAL")
    with connection:
        connection.execute("BEGIN IMMEDIATE")  # another process may make the same file at this moment
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            connection.execute("CREATE TABLE measured (key BLOB PRIMARY KEY, sum BLOB, value BLOB)")
            connection.execute(f"PRAGMA user_version = {_LAYOUT}")
        elif layout != _LAYOUT:
            raise sqlite3.DatabaseError("another version of the suite wrote it")


def _identity(file: Path) -> tuple[int, int] | None:
    """Returns the device and the inode of a file, or None if there is no such file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def folder() -> Path:
    """Returns the folder of all result files."""
    return cache_folder() / "results"


@contextmanager
def kept(subject: Subject) -> Iterator[ResultCache]:
    """Opens the results of one subject on disk inside the context. If that fails, it warns and keeps nothing."""
    opened = ResultCache(folder() / f"{subject.fingerprint}.sqlite")
    try:
        yield opened
    finally:
        opened.close()


def files() -> list[Path]:
    """Returns the files of the result cache, sorted. It leaves out symbolic links and files with other names."""
    found = [file for file in folder().glob("*") if _NAME.fullmatch(file.name)]
    return sorted(file for file in found if file.is_file() and not file.is_symlink())


def size() -> int:
    """Returns the size of all files in bytes. A file that another process has just deleted counts as 0."""
    return sum(file.stat().st_size for file in files() if file.exists())


def clear() -> int:
    """Deletes all files and returns the number of bytes that they had."""
    freed = size()
    for file in files():
        file.unlink(missing_ok=True)
    return freed


def main() -> None:
    """Prints the size of the result cache, or deletes it with --clear."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m referee.measuring.result_cache", description="Results on disk.")
    parser.add_argument("--clear", action="store_true", help="delete all results")
    if parser.parse_args().clear:
        print(f"removed {clear() / 1e6:.1f} MB from {folder()}")
    else:
        print(f"{size() / 1e6:.1f} MB in {folder()}")


if __name__ == "__main__":
    main()
