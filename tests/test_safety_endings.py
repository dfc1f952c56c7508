"""Signals and terminals: how a run ends, and what it prints where little can be printed (docs/security.md)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from runs import ROOT, process, run

from fixtures import terminal
from referee.judging.verdict import Verdict
from reports import page


class Sender:
    """Sends this process a signal after the first verdict."""

    def __init__(self, number: int) -> None:
        self.number = number

    def pytest_runtest_logreport(self, report):
        if getattr(report, "finding", None):
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 2), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_a_run_with_what_it_has(number, code, llama_folder, tmp_path):
    """A run leaves a report that is marked as incomplete, prints a line, and has the exit code of the signal."""
    before = signal.signal(number, lambda *_: pytest.fail("the run did not handle the signal"))
    try:
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
        done = run(f"--model={llama_folder}", "-k", "headline", f"--report={tmp_path / 'r'}", plugins=(Sender(number),))
    finally:
        signal.signal(number, before)

    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert done.code == code, done.output
    assert (report["complete"], len(report["claims"])) == (False, 1)
    assert "judged: 1 of 14 claims" in done.output
    assert "incomplete" in (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    assert "The run is incomplete" in (tmp_path / "r" / "summary.md").read_text(encoding="utf-8")
    assert "Traceback" not in done.output


def test_a_report_is_finished_whatever_comes(llama_folder, tmp_path, monkeypatch):
    """Ctrl-C during the writing of the report takes effect afterwards, and it ends the run."""
    written = page.render

    def interrupted(place):
        os.kill(os.getpid(), signal.SIGINT)
        return written(place)

    monkeypatch.setattr(page, "render", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = run(f"--model={llama_folder}", "-k", "headline2", f"--report={tmp_path / 'r'}")
    finally:
        signal.signal(signal.SIGINT, before)

    assert done.code == 2
    assert json.loads((tmp_path / "r" / "report.json").read_text())["complete"]
    assert "Traceback" not in done.output


def test_a_run_without_capture(llama_folder, tmp_path):
    """A run ends normally if pytest does not capture output."""
    done = run(f"--model={llama_folder}", "-k", "headline2", f"--report={tmp_path / 'r'}", "-pno:capture")

    assert done.code in (0, 1), done.output
    assert json.loads((tmp_path / "r" / "report.json").read_text())["complete"]


def test_signs_have_words():
    """A terminal that cannot show a sign gets a word or another sign."""
    sign = Verdict.SUPPORTED.sign
    terminal.codecs.register_error("words", terminal._in_words)

    words = f"{sign} SUPPORTED · ≤ 0.4 … 日".encode("iso-8859-1", "words").decode("iso-8859-1")

    assert words == " SUPPORTED · <= 0.4 ... ?"


PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONOPTIMIZE": "2"}


def test_a_machine_without_utf8_and_without_asserts(llama_folder, tmp_path):
    """With LC_ALL=C and PYTHONOPTIMIZE=2, the report is in UTF-8 and the terminal output is in ASCII."""
    done = process("claims/", "--profile=quick", "--no-cache", "-k", "headline2", f"--model={llama_folder}",
                   f"--report={tmp_path / 'r'}", env=PLAIN)  # fmt: skip

    assert done.code in (0, 1), done.output
    assert "·" in (tmp_path / "r" / "report.json").read_text(encoding="utf-8") + (
        tmp_path / "r" / "index.html"
    ).read_text(encoding="utf-8")
    assert done.output.isascii()
    assert "1.1b" in done.output


def test_a_full_terminal(llama_folder, tmp_path):
    """A run on a full terminal prints one line on standard error."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "claims/", "--profile=quick", "--no-cache", "-k", "headline2",
             f"--model={llama_folder}", f"--report={tmp_path / 'r'}"],
            cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120,
        )  # fmt: skip

    assert done.stderr.count("Standard output must be writable; got 'No space left") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 3


def test_a_closed_terminal(tmp_path):
    """The run shows nothing, writes the report, and has the usual exit code."""
    done = process("claims/", "--model=planted:layer=99", f"--report={tmp_path / 'r'}", preexec_fn=lambda: os.close(1),
                   stdout=None, stderr=subprocess.PIPE)  # fmt: skip

    assert done.code == 1
    assert (tmp_path / "r" / "report.json").exists()
