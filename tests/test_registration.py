"""Registrations: what they fix, and how a run differs from one."""

from __future__ import annotations

import hashlib

import pytest
from sample_reports import found, report_of

from claims.competition.theory import THEORY
from fixtures import registration as fixed
from fixtures.options import PROFILES, Settings
from fixtures.run import Run
from reports import page, registration
from reports.__main__ import main

SUBJECT = {"name": "tiny", "revision": "abc", "layer": 1, "n_layers": 3, "n_heads": 4, "n_kv_heads": 2,
           "dtype": "float32", "device": "cpu", "fingerprint": "f1"}  # fmt: skip


def of_run(*, seed=0, profile="quick", tests=("a",), **subject):
    """Returns what a run of Bandwidth Competition fixes."""
    run = Run(Settings("tiny", None, None, "auto", "auto", seed, profile, None), "pytest")
    run.theories = ("competition",)
    run.subject = SUBJECT | subject
    return fixed.with_subject(fixed.of_run(run, tests), run)


@pytest.fixture
def file(tmp_path):
    """Returns the path of a registration."""
    of_run().write(tmp_path / "r.json")
    return tmp_path / "r.json"


def test_a_run_that_matches_was_registered_before(file):
    """The report has the digest of the file. The page, the summary and the terminal use one phrase."""
    compared = fixed.Registered(file).compared(of_run())

    assert compared.changed == ()
    assert compared.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    shown = page.html(report_of(found(), registration=compared))
    assert f"registered before the run ({file}, made " in " ".join(shown.split())


def test_a_run_that_differs_is_post_hoc_and_lists_what_changed(file):
    """Seed, profile, layer, model and the selection of claims are fixed."""
    run = of_run(seed=1, profile="standard", tests=("a", "b"), layer=2, fingerprint="f2")

    compared = fixed.Registered(file).compared(run)

    sizes = {name for name, size in vars(PROFILES["quick"]).items() if size != vars(PROFILES["standard"])[name]}
    expected = {"profile: standard, registered quick", "seed: 1, registered 0", "subject layer: 2, registered 1",
                "subject fingerprint: f2, registered f1", "test b: judged, registered none"}  # fmt: skip
    assert expected <= set(compared.changed)
    assert len(compared.changed) == len(expected) + len(sizes)
    shown = page.html(report_of(found(), registration=compared))
    assert "post-hoc: " in shown
    assert "<li>seed: 1, registered 0</li>" in shown


def test_thresholds_prompts_and_analysis_are_fixed(file):
    """Each criterion, each file of the theory's folder, and each folder of the instrument can differ."""
    run = of_run()
    theory = run.theories[0]
    assert set(theory.claims) == {claim.id for claim in THEORY.claims}
    prompts = "claims/competition/prompts.py"
    changed = theory.model_copy(
        update={
            "digest": "x",
            "files": theory.files | {prompts: "x"},
            "claims": theory.claims | {"1.1a": theory.claims["1.1b"]},
        }
    )
    other = run.model_copy(update={"theories": (changed,), "instrument": run.instrument | {"referee": "x"}})

    (file.parent / "other.json").write_text(other.model_dump_json(), encoding="utf-8")
    found = fixed.Registered(file.parent / "other.json").compared(run).changed
    assert [line.split(":")[0] for line in found] == [
        "theory competition", "criterion of 1.1a", f"file {prompts}", "instrument referee",
    ]  # fmt: skip
    assert found[1] == "criterion of 1.1a: > 0.4, registered < 0.4"


def test_a_model_that_could_not_be_loaded_differs():
    """Nothing says that the subject is the registered one."""
    run = of_run().model_copy(update={"subject": None})

    assert "subject fingerprint: none, registered f1" in registration.changes(of_run(), run)


def test_a_file_that_is_no_registration_is_refused(tmp_path):
    """The line names the option and the file."""
    (tmp_path / "x.json").write_text("{}")

    with pytest.raises(pytest.UsageError, match=r"^--registration: The file must be a registration of this suite"):
        fixed.Registered(tmp_path / "x.json")


def test_a_registration_is_not_replaced(file, capsys):
    """It is fixed once."""
    before = file.read_bytes()

    assert main(["register", "-o", str(file)]) == 2

    assert "must be a new file" in capsys.readouterr().err
    assert file.read_bytes() == before
