"""Reports that several processes write to one folder at the same time, and reports that cannot be written."""

from __future__ import annotations

import errno
import json
import threading
import time
from pathlib import Path

import pytest
from runs import run
from test_reports import written_once

from reports import folder


def in_another_thread(work):
    """Starts a function in a thread. Threads exclude each other as processes do, because each opens the folder."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def content(place):
    return (place / "report.json").read_text(encoding="utf-8")


def test_a_report_that_is_being_written_is_not_deleted(tmp_path):
    """Another process puts its own report in place meanwhile, and deletes the remains of killed processes only."""
    with folder.replacement(tmp_path / "r") as (new, final):
        (new / "report.json").write_text("slow")
        written_once(tmp_path / "r")
        assert new.is_dir()
        assert content(tmp_path / "r").startswith("{")

    assert final == [tmp_path / "r"]
    assert content(tmp_path / "r") == "slow"
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_report_waits_while_another_one_is_put_in_place(tmp_path):
    """The earlier report is moved away and the new one is moved in, and no other process may come between."""
    written_once(tmp_path / "r")
    before = content(tmp_path / "r")

    def write():
        with folder.replacement(tmp_path / "r") as (new, _):
            (new / "report.json").write_text("second")

    with folder._locked(tmp_path, wait=0):
        writer = in_another_thread(write)
        writer.join(0.3)
        assert content(tmp_path / "r") == before
    writer.join(10)

    assert content(tmp_path / "r") == "second"


def test_a_reader_finds_a_whole_report_at_any_time(tmp_path):
    """While a report is replaced many times, a file that can be opened is never cut short."""
    written_once(tmp_path / "r")
    writer = in_another_thread(lambda: [written_once(tmp_path / "r") for _ in range(8)])

    read = 0
    while writer.is_alive() or not read:
        try:
            json.loads(content(tmp_path / "r"))
        except FileNotFoundError:  # between the two renames
            continue
        read += 1
        time.sleep(0.002)


@pytest.mark.parametrize("name", ["report.json", "index.html", "1.1b.csv"])
def test_a_full_disk_costs_the_report_and_not_the_verdicts(name, llama_folder, tmp_path, monkeypatch):
    """One line says so, the earlier report stays, no part of the new one stays, and the exit code is not 0 or 1."""
    written_once(tmp_path / "r")
    before = content(tmp_path / "r")

    def full(write):
        def fails(path, *given, **options):
            if path.name == name and ".report-" in str(path):
                write(path, given[0][:100], **options)
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            return write(path, *given, **options)

        return fails

    for method in ("write_text", "write_bytes"):
        monkeypatch.setattr(Path, method, full(getattr(Path, method)))
    done = run(f"--model={llama_folder}", "-k", "headline2", "--no-figures", f"--report={tmp_path / 'r'}")

    assert done.code == 3, done.output
    assert done.output.count("The report folder must be writable; got [Errno 28] No space left on device") == 1
    assert "1.1b" in done.output
    assert "Traceback" not in done.output
    assert content(tmp_path / "r") == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]
