"""A run that is registered, judged against a baseline, and replayed: on the planted model, with one claim."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from runs import ROOT, process

from reports.models import Report

pytestmark = pytest.mark.slow
OPTIONS = ("--model=planted", "--profile=quick", "--seed=3")


def command(*words):
    """Runs `python -m reports` in another process, in the folder of the tests. Returns its exit code and output."""
    done = subprocess.run(
        [sys.executable, "-m", "reports", *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Returns a folder with a registration, and with the report of the run that it fixed."""
    folder = tmp_path_factory.mktemp("replay")
    code, output = command("register", "-o", folder / "registration.json", *OPTIONS, "-k", "1.1b")
    assert code == 0, output
    done = process("claims/", *OPTIONS, "-k", "1.1b", f"--report={folder / 'run'}", "--no-figures",
                   f"--registration={folder / 'registration.json'}", timeout=300)  # fmt: skip
    assert done.code == 0, done.output
    assert "registered before the run" in done.output
    return folder


def altered(place, name, change):
    """Writes a report that differs from the run by `change`, a function of its content. Returns its path."""
    content = json.loads((place / "run" / "report.json").read_text(encoding="utf-8"))
    change(content)
    (place / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return place / f"{name}.json"


def test_the_run_matches_its_registration(place):
    """The report has the digest of the registration and no difference."""
    report = Report.model_validate_json((place / "run" / "report.json").read_text(encoding="utf-8"))

    assert report.registration is not None
    assert report.registration.changed == ()
    assert report.options.seed == 3


def test_a_fresh_report_is_replayed_as_equal(place):
    """The replay judges only the claim of the report, with its seed, and names no file that is deleted at its end."""
    code, output = command("replay", place / "run" / "report.json")

    assert code == 0, output
    assert "the replay agrees: 1 claim, estimates within 1e-05" in output
    assert "collected 1 item" in output
    assert "index.html" not in output


def test_an_altered_report_diverges(place):
    """There is one line for each difference, and the baseline turns the run red."""

    def change(content):
        (claim,) = content["claims"]
        claim["estimate"]["value"] += 0.01
        claim["verdict"] = "REFUTED"
        content["theories"][0]["phenomenon"] = "This model is wrong."

    code, output = command("replay", altered(place, "altered", change))

    assert code == 1, output
    lines = [line for line in output.splitlines() if line.startswith("diverges: 1.1b")]
    assert len(lines) == 2
    assert "diverges: 1.1b is SUPPORTED, and REFUTED in the report" in lines
    assert "diverges: what theory competition explains: None, and 'This model is wrong.' in the report" in output
    assert "baseline: 1 of 1 verdicts differ" in output
    assert "1 failed" in output


def test_another_model_is_no_replay(place):
    """One line says so, and nothing is measured."""
    code, output = command("replay", altered(place, "model", lambda c: c["subject"].update(fingerprint="0" * 32)))

    assert code == 2, output
    (line,) = [line for line in output.splitlines() if line.startswith("python -m reports: ")]
    assert "must study the same model; got fingerprint" in line
    assert "1 not judged" in output


def test_a_run_with_another_seed_is_post_hoc(place):
    """The terminal lists what changed, also if the model is refused and nothing is measured."""
    done = process("claims/", "--model=planted", "--profile=quick", "--seed=4", "-k", "1.1b", "--fingerprint=0",
                   f"--report={place / 'other'}", f"--registration={place / 'registration.json'}")  # fmt: skip

    assert done.code == 1, done.output
    assert "post-hoc: 1 difference from the registration" in done.output
    assert "  seed: 4, registered 3" in done.output.splitlines()
    assert "fault: The fingerprint of planted must be 0; got " in done.output
