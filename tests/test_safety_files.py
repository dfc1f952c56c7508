"""Caches and reports keep the files of the user, and a failing cache costs only time (docs/security.md)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from runs import ROOT, run
from test_reports import written_once as write

from claims.competition.prompts import QA, SIMPLE, Pair, Prompt
from referee.measuring import result_cache
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.models import embedded
from referee.prompts.tokens import tokenize
from reports import folder, page


def fill(file, patch):
    """Prevents SQLite from adding pages to the file, as on a full disk."""
    pages = sqlite3.connect(file).execute("PRAGMA page_count").fetchone()[0]
    connect = sqlite3.connect

    def full(*given, **options):
        made = connect(*given, **options)
        made.execute(f"PRAGMA max_page_count = {pages}")
        return made

    patch.setattr(sqlite3, "connect", full)


def damage_pages(file, patch):
    """Overwrites everything except SQLite's header."""
    content = file.read_bytes()
    file.write_bytes(content[:200] + b"\xff" * (len(content) - 200))


def rename_column(file, patch):
    """Renames a column of the table."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("ALTER TABLE measured RENAME COLUMN value TO worth")


def replace_by_another(file, patch):
    """Replaces the file by a database of another program."""
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE work (years)")


def lock(file, patch):
    """Locks the file with another connection, which stays open."""
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    patch.setattr(result_cache, "_LOCK_SECONDS", 0.1)
    patch.setattr(sqlite3, "writer", writer, raising=False)  # a reference keeps it open


def forbid_writing(file, patch):
    """Opens the file read-only."""
    connect = sqlite3.connect
    patch.setattr(sqlite3, "connect", lambda name, **options: connect(f"file:{name}?mode=ro", uri=True, **options))


FAILURES = {
    fill: False,
    damage_pages: True,
    rename_column: True,
    replace_by_another: True,
    lock: False,
    forbid_writing: False,
}
"""What happens to the file, and whether the cache then renames it."""


@pytest.mark.parametrize(("happens", "aside"), FAILURES.items(), ids=[failure.__name__ for failure in FAILURES])
def test_a_failing_result_cache_costs_only_time(happens, aside, llama, tmp_path, monkeypatch):
    """The run gives one warning and the same numbers, and a damaged file is kept under another name."""
    monkeypatch.setenv("REFEREE_CACHE", str(tmp_path))
    trials = [Trial(tokenize(Prompt(Pair("9.8", "9.11"), "bigger first", f), llama.tokenizer)) for f in (QA, SIMPLE)]
    with result_cache.kept(llama) as results:
        first = Session(llama, results).margins(trials[:1])
        file = results.file
    happens(file, monkeypatch)
    damaged = len(file.read_bytes())

    def again():
        with result_cache.kept(llama) as results:
            for _ in range(3):
                results.keep([(os.urandom(32), torch.zeros(1000)) for _ in range(50)])
                found = Session(llama, results).margins(trials)
        return found

    with pytest.warns(UserWarning, match="Results are measured again") as warned:
        margins = again()["margin_logits"]

    assert margins[0] == pytest.approx(first["margin_logits"][0], abs=1e-5)
    assert len(warned) == 1
    kept = [file for file in tmp_path.glob("results/*.damaged-*") if not file.name.endswith(("-wal", "-shm"))]
    assert len(kept) == aside
    assert all(len(file.read_bytes()) >= damaged for file in kept)


def test_clearing_removes_result_files_alone(llama, tmp_path, monkeypatch):
    """A folder of a project keeps its own results, even if REFEREE_CACHE names this folder."""
    monkeypatch.setenv("REFEREE_CACHE", str(tmp_path))
    own = tmp_path / "results" / "thesis.sqlite"
    own.parent.mkdir()
    own.write_text("years of work")
    (tmp_path / "results" / ("a" * 32 + ".sqlite")).symlink_to(own)
    with result_cache.kept(llama) as results:
        results.keep([(b"key", [1.0])])

    assert result_cache.clear() > 0
    assert sorted(path.name for path in own.parent.iterdir()) == ["a" * 32 + ".sqlite", "thesis.sqlite"]
    assert own.read_text() == "years of work"


def test_a_converted_model_with_files_of_the_users_is_renamed(tmp_path, monkeypatch):
    """If a converted model is damaged, it is made again, and its folder is kept under another name."""
    monkeypatch.setenv("REFEREE_CACHE", str(tmp_path))
    made = embedded.cached("converted", lambda folder: (folder / "weights").write_text("whole"))
    (made / "weights").write_text("damaged")
    (made / "notes.txt").write_text("mine")

    again = embedded.cached("converted", lambda folder: (folder / "weights").write_text("whole"))

    assert (again / "weights").read_text() == "whole"
    assert [path.read_text() for path in tmp_path.glob("converted.damaged-*/notes.txt")] == ["mine"]


# --- the report's folder ----------------------------------------------------------------------------------------------


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


@pytest.mark.parametrize("name", ["data/own.csv", "notes.txt", "figures/deep/own.svg"])
def test_own_files_in_a_report_are_kept(tmp_path, name):
    """The run is refused before anything is measured."""
    write(tmp_path / "r")
    (tmp_path / "r" / name).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / "r" / name).write_text("mine")

    with pytest.raises(folder.UnwritableFolder, match=f"only an unchanged report; got .*{name.split('/')[0]}"):
        folder.require_replaceable(tmp_path / "r")


def test_an_edited_report_is_kept(tmp_path):
    """A report in which a user has written remarks is not replaced."""
    write(tmp_path / "r").write_text("my remarks")

    with pytest.raises(folder.UnwritableFolder, match=r"index.html, which has changed since"):
        folder.require_replaceable(tmp_path / "r")


def test_a_file_that_came_during_the_run_is_kept(tmp_path):
    """The new report goes into a new folder beside it."""
    write(tmp_path / "r")
    folder.require_replaceable(tmp_path / "r")
    (tmp_path / "r" / "notes.txt").write_text("mine")

    assert write(tmp_path / "r") == tmp_path / "r-2" / "index.html"
    assert (tmp_path / "r" / "notes.txt").read_text() == "mine"
    assert names(tmp_path) == ["r", "r-2"]


def test_an_edit_while_the_report_is_written_is_kept(tmp_path, monkeypatch):
    """The folder is checked again right before its report is replaced."""
    write(tmp_path / "r")
    rendered = page.render

    def meanwhile(place):
        (tmp_path / "r" / "index.html").write_text("my remarks")
        return rendered(place)

    monkeypatch.setattr(page, "render", meanwhile)

    assert write(tmp_path / "r") == tmp_path / "r-2" / "index.html"
    assert (tmp_path / "r" / "index.html").read_text() == "my remarks"


def test_only_unchanged_files_of_a_report_are_deleted(tmp_path):
    """Changed files, targets of links, and files in the manifest of another program are kept."""
    write(tmp_path / "r")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "own").write_text("mine")
    (tmp_path / "r" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "r" / "report.json").write_text("my remarks")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / folder.MANIFEST).write_text(json.dumps({"files": {"x": "y"}}))

    folder._delete_report(tmp_path / "r")
    folder._delete_report(tmp_path / "other")

    assert names(tmp_path / "r") == [folder.MANIFEST, "link", "report.json"]
    assert (tmp_path / "elsewhere" / "own").read_text() == "mine"
    assert names(tmp_path / "other") == [folder.MANIFEST]
    with pytest.raises(folder.UnwritableFolder, match="which the suite did not write"):
        folder.require_replaceable(tmp_path / "other")


def test_a_report_from_nothing_keeps_one_that_came_meanwhile(tmp_path):
    """This is decided when the new report is ready, after the report of a killed run is restored."""
    write(tmp_path / "r")
    (tmp_path / "r").rename(tmp_path / f"{folder._prefix(tmp_path / 'r')}-old")

    with folder.replacement(tmp_path / "r", keep_existing=True) as (new, final):
        (new / "report.json").write_text("nothing was measured")

    assert final == []
    assert names(tmp_path) == ["r"]
    assert "nothing" not in (tmp_path / "r" / "report.json").read_text()


def test_a_report_from_nothing_replaces_none(llama_folder, tmp_path):
    """A typo in an option does not replace an earlier report."""
    good = run(f"--model={llama_folder}", "-k", "headline2", f"--report={tmp_path / 'r'}")
    before = (tmp_path / "r" / "report.json").read_bytes()

    typo = run(f"--model={llama_folder}", "--layer=99", "-k", "headline2", f"--report={tmp_path / 'r'}")

    assert (good.code in (0, 1), typo.code) == (True, 1)
    assert (tmp_path / "r" / "report.json").read_bytes() == before
    assert "no report was written, because nothing was measured" in typo.output
    assert typo.output.count("must be 0 to 2; got 99") == 1


def test_reports_where_folders_are_unusual(tmp_path, monkeypatch):
    """A report can go to a dangling link, a long name or ~, and with a private umask, but not to a mount point."""
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "r")
    write(tmp_path / "link")
    write(tmp_path / ("n" * 250))
    monkeypatch.setenv("HOME", str(tmp_path))
    before = os.umask(0o077)
    try:
        write(Path("~/private"))
    finally:
        os.umask(before)

    assert (tmp_path / "elsewhere" / "r" / "report.json").exists()
    assert (tmp_path / ("n" * 250) / "report.json").exists()
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "disk")
    with pytest.raises(folder.UnwritableFolder, match="got the mount point"):
        folder.require_replaceable(tmp_path / "disk")


WRITER = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = ["tests"]
from test_reports import document, page, written_once
if sys.argv[2] == "killed":
    page.render = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
for _ in range(1 if sys.argv[2] == "killed" else int(sys.argv[2])):
    written_once(Path(sys.argv[1]))
"""


def writer(place: Path, how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(place), how], cwd=ROOT)


def test_a_killed_writer_leaves_the_report_before_it(tmp_path):
    """The next run deletes the temporary files. A report that was moved away is restored."""
    write(tmp_path / "r")
    before = (tmp_path / "r" / "report.json").read_bytes()

    assert writer(tmp_path / "r", "killed").wait() == -signal.SIGKILL
    assert (tmp_path / "r" / "report.json").read_bytes() == before
    assert len(names(tmp_path)) == 2
    (tmp_path / "r").rename(tmp_path / f"{folder._prefix(tmp_path / 'r')}-old")
    with folder.replacement(tmp_path / "r", keep_existing=True):
        pass
    assert names(tmp_path) == ["r"]
    assert (tmp_path / "r" / "report.json").read_bytes() == before


def test_three_writers_of_one_folder(tmp_path):
    """Each report is complete, and the last one remains."""
    running = [writer(tmp_path / "r", "15") for _ in range(3)]
    while any(process.poll() is None for process in running):
        time.sleep(0.01)

    assert [process.returncode for process in running] == [0, 0, 0]
    assert names(tmp_path) == ["r"]
    assert folder.unexpected_content(tmp_path / "r") is None
