"""What hostile input does: one line, no verdict, no code run, nothing of the user's lost (docs/security.md)."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import CODE, LOADING, OPTIONS, RAN, Case
from test_reports import written_once as write
from transformers import LlamaConfig, LlamaForCausalLM, dynamic_module_utils

from claims.competition.prompts import QA, SIMPLE, Pair, Prompt
from conftest import tiny
from fixtures import terminal
from referee.attention import tracing as attention
from referee.judging.verdict import Verdict
from referee.measuring import result_cache
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.models import embedded, subjects
from referee.prompts.tokens import tokenize
from reports import folder, page

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Run:
    """What a run printed, and its exit code."""

    code: int
    told: str


def run(*options: str, plugins: tuple[object, ...] = ()) -> Run:
    """The claims in this process."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        # Plain asserts: the suite's modules are imported already, and pytest warns that it cannot rewrite them.
        always = ["--rootdir", str(ROOT), "-p", "no:cacheprovider", "--assert=plain", "--no-cache", "--profile=quick"]
        code = pytest.main([*always, *options, f"{ROOT}/claims"], plugins=list(plugins))
    return Run(int(code), told.getvalue())


def process(*options: str | Path, **settings: Any) -> Run:
    """The claims in a process of their own."""
    settings["env"] = os.environ | {"HF_HUB_OFFLINE": "1"} | settings.get("env", {})
    usual = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 120}
    done = subprocess.run([sys.executable, "-m", "pytest", *map(str, options)], **(usual | settings))
    return Run(done.returncode, done.stdout or "")


def says_one_line(done: Run, case: Case) -> None:
    """The line once, and none of what a traceback looks like."""
    assert done.code == case.code, done.told
    assert len(re.findall(case.says, done.told)) == 1, done.told
    assert not re.search(r"Traceback|INTERNALERROR|^E  |\.py:\d+: ", done.told, re.MULTILINE), done.told


@pytest.fixture
def model(llama_folder, tmp_path):
    """A sound model, to be made hostile."""
    shutil.copytree(llama_folder, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("case", [*LOADING, *OPTIONS], ids=lambda case: case.name)
def test_one_line_and_no_verdict(case, model, tmp_path, monkeypatch):
    """The rule, what was got and the remedy, once; no code of the model's is run, even where somebody says yes."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    monkeypatch.setenv(RAN, str(tmp_path / "ran"))
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    if case.model:
        case.model(model)

    done = run(f"--report={tmp_path / 'report'}", "-s", *(option.format(model=model) for option in case.options))

    says_one_line(done, case)
    assert not re.search("SUPPORTED|REFUTED", done.told)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("case", CODE, ids=lambda case: case.name)
def test_no_code_of_a_model_folder_runs(case, model, tmp_path):
    """pytest does not take the value of an option for a test path, nor a model's configuration for its own."""
    case.model(model)

    done = process(*(option.format(model=model) for option in case.options), env={RAN: str(tmp_path / "ran")})

    assert done.code == case.code, done.told
    assert re.search(case.says, done.told)
    assert not (tmp_path / "ran").exists()


def test_fingerprints_depend_on_every_byte(llama, grouped):
    """One bit of any tensor is another subject; so is one number elsewhere in a model that is 4096 wide."""
    changed = tiny("Llama", grouped)
    seen = {llama.fingerprint}
    for weight in changed.model.parameters():
        place = weight.view(torch.int32).flatten()
        place[-2] ^= 1
        seen.add(subjects.assemble(changed.model, grouped, name="x").fingerprint)
        place[-2] ^= 1
    assert len(seen) == 1 + len(list(changed.model.parameters()))

    sizes = {"hidden_size": 4096, "head_dim": 16, "num_attention_heads": 256, "num_key_value_heads": 1}
    config = LlamaConfig(vocab_size=len(grouped), intermediate_size=8, num_hidden_layers=1, **sizes)
    with torch.device("meta"):
        wide = LlamaForCausalLM(config)
    wide = wide.to_empty(device="cpu")
    with torch.no_grad():
        for weight in wide.parameters():
            weight.zero_()
    output, seen = wide.model.layers[0].self_attn.o_proj.weight, set()
    for column in (7, 8):
        with torch.no_grad():
            output.zero_()[5, column] = 1
        seen.add(subjects.assemble(wide, grouped, name="wide").fingerprint)
    assert len(seen) == 2


def test_no_service_is_asked_to_convert_a_model(llama_folder, monkeypatch):
    """transformers reads this variable before it sends a repository's name to one."""
    monkeypatch.delenv("DISABLE_SAFETENSORS_CONVERSION", raising=False)

    subjects.load(str(llama_folder))

    assert os.environ["DISABLE_SAFETENSORS_CONVERSION"] == "1"


def test_a_converted_model_with_files_of_the_users_is_renamed(tmp_path, monkeypatch):
    """Where it is damaged and made again."""
    monkeypatch.setenv("BANDWIDTH_CACHE", str(tmp_path))
    made = embedded.cached("converted", lambda folder: (folder / "weights").write_text("whole"))
    (made / "weights").write_text("damaged")
    (made / "notes.txt").write_text("mine")

    again = embedded.cached("converted", lambda folder: (folder / "weights").write_text("whole"))

    assert (again / "weights").read_text() == "whole"
    assert [path.read_text() for path in tmp_path.glob("converted.damaged-*/notes.txt")] == ["mine"]


def test_a_model_stays_on_the_device_that_was_asked_for(grouped, monkeypatch):
    """The pipeline inside nnsight would move it to the first GPU of a machine that has one."""
    asked = []

    class Seen(Exception):
        pass

    def wrapped(model, **options):
        asked.append(options.get("device"))
        raise Seen

    monkeypatch.setattr(attention, "TransformersModel", wrapped)
    for device in ("cpu", "meta"):
        subject = tiny("Llama", grouped)
        subject.model.to(device)
        with pytest.raises(Seen):
            attention.Attention(subject)
    spread = tiny("Llama", grouped)
    spread.model.hf_device_map = {"": 0}
    with pytest.raises(Seen):
        attention.Attention(spread)

    assert asked == [torch.device("cpu"), torch.device("meta"), None]


# --- the result cache -------------------------------------------------------------------------------------------------


def fill(file, patch):
    """No further page can be written."""
    pages = sqlite3.connect(file).execute("PRAGMA page_count").fetchone()[0]
    connect = sqlite3.connect

    def full(*given, **options):
        made = connect(*given, **options)
        made.execute(f"PRAGMA max_page_count = {pages}")
        return made

    patch.setattr(sqlite3, "connect", full)


def damage_pages(file, patch):
    """All but SQLite's header."""
    held = file.read_bytes()
    file.write_bytes(held[:200] + b"\xff" * (len(held) - 200))


def rename_column(file, patch):
    """The table is not what it was."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("ALTER TABLE measured RENAME COLUMN value TO worth")


def replace_by_another(file, patch):
    """A database of somebody else's."""
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE work (years)")


def lock(file, patch):
    """Another process is writing, and stays at it."""
    held = sqlite3.connect(file, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    patch.setattr(result_cache, "_LOCK_SECONDS", 0.1)
    patch.setattr(sqlite3, "held", held, raising=False)


def forbid_writing(file, patch):
    """The file can be read alone."""
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
"""What happens to the file, and whether it is set aside."""


@pytest.mark.parametrize(("happens", "aside"), FAILURES.items(), ids=[failure.__name__ for failure in FAILURES])
def test_a_failing_result_cache_costs_only_time(happens, aside, llama, tmp_path, monkeypatch):
    """One warning, the same numbers, and a damaged file is kept under another name."""
    monkeypatch.setenv("BANDWIDTH_CACHE", str(tmp_path))
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
    """A project folder that has results of its own keeps them, whatever BANDWIDTH_CACHE says."""
    monkeypatch.setenv("BANDWIDTH_CACHE", str(tmp_path))
    own = tmp_path / "results" / "thesis.sqlite"
    own.parent.mkdir()
    own.write_text("years of work")
    (tmp_path / "results" / ("a" * 32 + ".sqlite")).symlink_to(own)
    with result_cache.kept(llama) as results:
        results.keep([(b"key", [1.0])])

    assert result_cache.clear() > 0
    assert sorted(path.name for path in own.parent.iterdir()) == ["a" * 32 + ".sqlite", "thesis.sqlite"]
    assert own.read_text() == "years of work"


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
    """Somebody's remarks in the page are somebody's work."""
    write(tmp_path / "r").write_text("my remarks")

    with pytest.raises(folder.UnwritableFolder, match=r"index.html, which has changed since"):
        folder.require_replaceable(tmp_path / "r")


def test_a_file_that_came_during_the_run_is_kept(tmp_path):
    """The report goes beside it."""
    write(tmp_path / "r")
    folder.require_replaceable(tmp_path / "r")
    (tmp_path / "r" / "notes.txt").write_text("mine")

    assert write(tmp_path / "r") == tmp_path / "r-2" / "index.html"
    assert (tmp_path / "r" / "notes.txt").read_text() == "mine"
    assert names(tmp_path) == ["r", "r-2"]


def test_an_edit_while_the_report_is_written_is_kept(tmp_path, monkeypatch):
    """What is in the folder is looked at right before the old report goes."""
    write(tmp_path / "r")
    rendered = page.render

    def meanwhile(place):
        (tmp_path / "r" / "index.html").write_text("my remarks")
        return rendered(place)

    monkeypatch.setattr(page, "render", meanwhile)

    assert write(tmp_path / "r") == tmp_path / "r-2" / "index.html"
    assert (tmp_path / "r" / "index.html").read_text() == "my remarks"


def test_only_unchanged_files_of_a_report_are_deleted(tmp_path):
    """Not what was put there at the last moment, nor what a link leads to, nor files that somebody else listed."""
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
    """Decided when the report is ready, after a killed run's report was put back."""
    write(tmp_path / "r")
    (tmp_path / "r").rename(tmp_path / f"{folder._prefix(tmp_path / 'r')}-old")

    with folder.replacement(tmp_path / "r", keep_existing=True) as (new, final):
        (new / "report.json").write_text("nothing was measured")

    assert final == []
    assert names(tmp_path) == ["r"]
    assert "nothing" not in (tmp_path / "r" / "report.json").read_text()


def test_a_report_from_nothing_replaces_none(llama_folder, tmp_path):
    """A typo in an option costs no report."""
    good = run(f"--model={llama_folder}", "-k", "headline2", f"--report={tmp_path / 'r'}")
    before = (tmp_path / "r" / "report.json").read_bytes()

    typo = run(f"--model={llama_folder}", "--layer=99", "-k", "headline2", f"--report={tmp_path / 'r'}")

    assert (good.code in (0, 1), typo.code) == (True, 1)
    assert (tmp_path / "r" / "report.json").read_bytes() == before
    assert "no report was written, because nothing was measured" in typo.told
    assert typo.told.count("must be 0 to 2; got 99") == 1


def test_reports_where_folders_are_unusual(tmp_path, monkeypatch):
    """A dangling link, a long name, ~, and a private umask."""
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
    """What it left behind goes with the next report; a report that was moved away comes back."""
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
    """Each report is whole, and the last one stands."""
    running = [writer(tmp_path / "r", "15") for _ in range(3)]
    while any(process.poll() is None for process in running):
        time.sleep(0.01)

    assert [process.returncode for process in running] == [0, 0, 0]
    assert names(tmp_path) == ["r"]
    assert folder.unexpected_content(tmp_path / "r") is None


# --- signals, terminals and pytest's own options ----------------------------------------------------------------------


class Sender:
    """Sends this process a signal after the first verdict."""

    def __init__(self, number: int) -> None:
        self.number = number

    def pytest_runtest_logreport(self, report):
        if getattr(report, "finding", None):
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 2), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_a_run_with_what_it_has(number, code, llama_folder, tmp_path):
    """A report that is marked incomplete, a line, and the exit code that belongs to the signal."""
    before = signal.signal(number, lambda *_: pytest.fail("nobody heard the signal"))
    try:
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
        done = run(f"--model={llama_folder}", "-k", "headline", f"--report={tmp_path / 'r'}", plugins=(Sender(number),))
    finally:
        signal.signal(number, before)

    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert done.code == code, done.told
    assert (report["complete"], len(report["claims"])) == (False, 1)
    assert "judged: 1 of 5 claims" in done.told
    assert "Traceback" not in done.told


def test_a_report_is_finished_whatever_comes(llama_folder, tmp_path, monkeypatch):
    """Ctrl-C while it is written waits, and ends the run afterwards."""
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
    assert "Traceback" not in done.told


def test_a_run_without_capture(llama_folder, tmp_path):
    """Nothing of pytest's output need be captured."""
    done = run(f"--model={llama_folder}", "-k", "headline2", f"--report={tmp_path / 'r'}", "-pno:capture")

    assert done.code in (0, 1), done.told
    assert json.loads((tmp_path / "r" / "report.json").read_text())["complete"]


def test_signs_have_words():
    """For a terminal that cannot show them."""
    sign = {verdict: sign for verdict, (sign, _) in terminal._SIGN.items()}[Verdict.SUPPORTED]
    terminal.codecs.register_error("words", terminal._in_words)

    told = f"{sign} SUPPORTED · ≤ 0.4 … 日".encode("iso-8859-1", "words").decode("iso-8859-1")

    assert told == " SUPPORTED · <= 0.4 ... ?"


PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONOPTIMIZE": "2"}


def test_a_machine_without_utf8_and_without_asserts(llama_folder, tmp_path):
    """LC_ALL=C and PYTHONOPTIMIZE=2 at once: the report is UTF-8, and the terminal gets words."""
    done = process("claims/", "--profile=quick", "--no-cache", "-k", "headline2", f"--model={llama_folder}",
                   f"--report={tmp_path / 'r'}", env=PLAIN)  # fmt: skip

    assert done.code in (0, 1), done.told
    assert "·" in (tmp_path / "r" / "report.json").read_text(encoding="utf-8") + (
        tmp_path / "r" / "index.html"
    ).read_text(encoding="utf-8")
    assert done.told.isascii()
    assert "1.1b" in done.told


def test_a_full_terminal(llama_folder, tmp_path):
    """One line on standard error."""
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
    """Nothing is shown; the report is written, and the exit code is that of any run."""
    done = process("claims/", "--model=planted:layer=99", f"--report={tmp_path / 'r'}", preexec_fn=lambda: os.close(1),
                   stdout=None, stderr=subprocess.PIPE)  # fmt: skip

    assert done.code == 1
    assert (tmp_path / "r" / "report.json").exists()


@pytest.fixture
def clone(tmp_path):
    """A copy of the suite inside a project with a pytest configuration of its own."""
    for name in ("bandwidth", "claims", "fixtures", "reports"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name, ignore=shutil.ignore_patterns("__pycache__", "latest"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (tmp_path / "out").mkdir()
    return tmp_path / "clone"


def test_a_clone_inside_another_project(clone):
    """Its own configuration and its own reports folder; refused where an option makes pytest take the other's."""
    settings = {"cwd": clone.parent, "env": {"PYTHONPATH": str(clone)}}
    own = process("clone/claims", "--model=planted:layer=99", "-k", "headline2", **settings)
    mistaken = process("--report", "out", "clone/claims", "--collect-only", **settings)
    not_installed = process("clone/claims", "--collect-only", cwd=clone.parent)

    assert f"report: {clone}/reports/latest/index.html" in own.told
    assert (mistaken.code, "with the suite's own pytest configuration; got" in mistaken.told) == (4, True), (
        mistaken.told
    )
    assert (not_installed.code, "must be installed from the folder" in not_installed.told) == (4, True)
