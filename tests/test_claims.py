"""Runs of the suite as a user starts them: in another process, on a saved model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import runs

from claims.competition.theory import THEORY
from fixtures.discovery import theories
from fixtures.terminal import ClaimLines
from reports.models import Report

ROOT = Path(__file__).parents[1]
CLAIMS = THEORY.claims
EVERY_CLAIM = [claim for theory in theories().values() for claim in theory.claims]


def pytest_claims(*options: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "claims/", "--no-cache", *map(str, options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})


def report_of(folder: Path) -> dict:
    """Returns the content of report.json, after its validation."""
    text = (folder / "report.json").read_text(encoding="utf-8")
    Report.model_validate_json(text)
    return json.loads(text)


@pytest.fixture(scope="module")
def run(llama_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "report"
    return pytest_claims("--model", llama_folder, "--profile", "quick", "--report", folder), folder


def test_every_claim_gets_a_verdict(run):
    """On a model of random weights, no claim is an ERROR, and no headline claim is SUPPORTED."""
    done, folder = run
    report = report_of(folder)

    assert sorted(claim["id"] for claim in report["claims"]) == sorted(claim.id for claim in EVERY_CLAIM), done.stdout
    assert "ERROR" not in {claim["verdict"] for claim in report["claims"]}, done.stdout
    assert "SUPPORTED" not in {headline["verdict"] for headline in report["headlines"]}
    assert all(world["p"] > 0 for claim in report["claims"] for world in claim["chance"] if world["p"] is not None)
    assert not [note for claim in report["claims"] for note in claim["notes"] if "could not be drawn" in note]
    assert report["complete"]
    said = {theory["folder"]: theory["phenomenon"] for theory in report["theories"]}
    assert said["induction"] is None
    assert said["competition"].startswith("Right answers of this model: with the bigger number first, ")
    assert said["competition"] in " ".join(done.stdout.split())
    assert done.returncode == int(any(claim["verdict"] == "REFUTED" for claim in report["claims"]))


def test_the_terminal_says_what_was_claimed_measured_and_follows(run):
    """It shows each claim's sentence with its verdict, and the estimate of each claim that was measured.

    The sentence of a claim that is known to be true may be shortened.
    """
    done, folder = run

    known = {folder for folder, theory in theories().items() if theory.known}
    for claim in report_of(folder)["claims"]:
        start = claim["statement"][:40] if claim["theory"] in known else claim["statement"]
        assert re.search(f"{claim['verdict']:<14} {re.escape(claim['id'])} +{re.escape(start)}", done.stdout)
        if claim["estimate"]:
            assert f"{claim['estimate']['value']:.3f}" in done.stdout
    assert f"report: {folder / 'index.html'}" in done.stdout


def test_the_report_says_on_what(run, llama, llama_folder):
    """The report has the subject, its fingerprint, the self-checks, the versions and the command."""
    report = report_of(run[1])

    assert report["subject"]["fingerprint"] == llama.fingerprint
    assert report["subject"]["name"] == str(llama_folder)
    assert len(report["self_checks"]) == 11
    assert all(check["passed"] for check in report["self_checks"])
    assert report["margins"]["margins"] > 1000
    assert 0 <= report["margins"]["alone"] < 1e-3
    assert {"torch", "transformers", "nnsight"} <= set(report["environment"]["packages"])
    assert report["command"].startswith("pytest claims/ --no-cache --model")


def test_a_rerun_gives_the_same_numbers(run, llama_folder, tmp_path):
    """All random numbers come from the seed and the claim, so a run with fewer claims gives the same numbers, too."""
    pytest_claims("--model", llama_folder, "--profile", "quick", "--report", tmp_path / "again", "-k", "1.1 or 4.1")

    keep = ("id", "verdict", "estimate", "parts", "chance", "variants", "counterexample")
    first, second = (
        {c["id"]: {k: c[k] for k in keep} for c in report_of(folder)["claims"]}
        for folder in (run[1], tmp_path / "again")
    )
    assert len(second) == 8
    assert {claim_id: first[claim_id] for claim_id in second} == second


def test_an_exception_after_the_verdict_is_an_error(llama_folder, tmp_path):
    """If a test judges its claim and then raises an exception, the claim is an ERROR."""
    (tmp_path / "test_broken.py").write_text(
        "import pytest\n"
        "from claims.competition.theory import SHARP\n"
        "from referee.judging.evidence import Estimates, Evidence\n"
        "from referee.judging.statistics import Estimate\n"
        "@pytest.mark.claim(SHARP)\n"
        "def test_broken(judge):\n"
        "    judge(Evidence(Estimates({'width': Estimate(0.0, 0.0, 0.0, 20)})))\n"
        "    raise KeyError('lost')\n"
        "def outer():\n"
        "    from referee.models.subjects import load\n"
        "    load('nowhere/', depth=0.5)\n"
        "def test_broken_without_a_claim():\n"
        "    outer()\n"
    )

    done = pytest_claims("--rootdir", ROOT, tmp_path / "test_broken.py", "--report", tmp_path / "r", "-k", "broken")

    assert [claim["verdict"] for claim in report_of(tmp_path / "r")["claims"]] == ["ERROR"], done.stdout
    assert ">       outer()" in done.stdout  # a test without a claim keeps its whole traceback


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("competition", lambda claim: claim in CLAIMS),
        ("induction", lambda claim: claim not in CLAIMS),
        ("sink", lambda claim: claim.id.startswith("S")),
        ("headline", lambda claim: claim.headline),
        ("headline3", lambda claim: claim.headline == 3),
        ("bandwidth", lambda claim: claim.id.startswith(("1.1", "1.2", "1.3"))),
        ("routing", lambda claim: claim.id.startswith(("2.1", "2.2", "2.3"))),
        ("specialization", lambda claim: claim.id.startswith(("3.1", "3.2"))),
        ("threshold", lambda claim: claim.id.startswith(("4.1", "4.2"))),
        ("repair", lambda claim: claim.id.startswith(("5.1", "5.2"))),
        ("control", lambda claim: claim.id.startswith("C")),
        ("4.1", lambda claim: claim.id in ("4.1a", "4.1b", "4.1c")),
        ("4.1a", lambda claim: claim.id == "4.1a"),
        ("bug", lambda claim: claim.id == "B1"),
        ("published", lambda claim: claim.id in ("4.1a", "4.1b", "4.2", "4.2b", "B1", "C4")),
        ("1.1c", lambda claim: claim.id == "1.1c"),
        ("C1", lambda claim: claim.id == "C1"),
    ],
)
def test_words_select_claims(words, expected):
    """The option `-k` selects claims by words such as headline and repair, and by their ids."""
    output = runs.run("--collect-only", "-q", "-k", words).output

    ids = {claim.id for claim in EVERY_CLAIM}
    listed = {line.split()[0] for line in output.splitlines() if line.strip()}
    assert listed & ids == {claim.id for claim in EVERY_CLAIM if expected(claim)}


def test_a_fault_is_an_error_and_is_reported(llama_folder, tmp_path):
    """A layer that does not exist gives one line for each theory, no verdict, no traceback and a valid report."""
    done = pytest_claims("--model", llama_folder, "--layer", "7", "--report", tmp_path / "r")

    assert {claim["verdict"] for claim in report_of(tmp_path / "r")["claims"]} == {"ERROR"}
    assert f"must be 0 to 2; got 7. Give --layer another number. ({len(EVERY_CLAIM)} claims)\n" in done.stdout
    assert done.stdout.count("! ERROR") == 2
    assert "Traceback" not in done.stdout
    assert done.returncode == 1


def test_an_unwritable_report_folder_is_refused_before_anything_runs(llama_folder, tmp_path):
    """The run ends before it loads the model."""
    (tmp_path / "file").write_text("")

    done = pytest_claims("--model", llama_folder, "--report", tmp_path / "file" / "r")

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: The report folder must be writable; got" in done.stderr
    assert "loading" not in done.stdout


def test_ctrl_c_leaves_no_traceback():
    """The plugin raises a new KeyboardInterrupt, because pytest would show the whole traceback of the first one."""
    item = SimpleNamespace(get_closest_marker=lambda name: pytest.mark.claim(CLAIMS[0]).mark)
    running = ClaimLines(None, None).pytest_runtest_protocol(item)
    next(running)
    came = KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt) as left:
        running.throw(came)

    assert left.value is not came
    assert left.value.__suppress_context__


@pytest.fixture
def interruptible():
    """Lets Ctrl-C reach the processes of the test, even if the tests run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_run_keeps_what_it_has(llama_folder, tmp_path):
    """Ctrl-C after the first verdict leaves a valid report that is marked as incomplete."""
    command = [
        sys.executable,
        "-um",
        "pytest",
        "claims/competition",
        "--no-cache",
        "--model",
        str(llama_folder),
        "--report",
        str(tmp_path / "r"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if " 1.1a " in line:
            process.send_signal(signal.SIGINT)
            break
    rest, faults = process.communicate(timeout=120)

    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "Traceback" not in faults
    assert f"judged: 1 of {len(CLAIMS)} claims" in rest
    report = report_of(tmp_path / "r")
    assert not report["complete"]
    assert 1 <= len(report["claims"]) < len(CLAIMS)


def test_words_that_select_no_claim():
    """One line says what to do, and the exit code is that of pytest for a run without tests."""
    done = pytest_claims("-k", "nothing")

    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "-k must select a claim; got 'nothing'. `pytest claims/ --collect-only -q` lists all claims." in done.stdout
