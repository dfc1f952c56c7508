"""Tests of the workflows: who can start them, and that the commands of the GPU job work on a tiny model."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from runs import ROOT, Run

from reports.models import Report

WORKFLOWS = {
    file.stem: yaml.load(file.read_text(), yaml.BaseLoader)  # this loader does not take the key `on` for a boolean
    for file in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
GPU = WORKFLOWS["gpu"]["jobs"]["claims"]


def jobs() -> list[tuple[str, dict[str, Any]]]:
    """Returns the name of the workflow and the content of each job."""
    return [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"].values()]


def command(words: str) -> str:
    """Returns the only command of the GPU job that contains some words."""
    (found,) = [step["run"] for step in GPU["steps"] if words in step.get("run", "")]
    return found


def run(text: str, folder: Path, model: Path, **environment: str) -> Run:
    """Runs a command of the GPU job as the runner does, but on the CPU, with another model and Python."""
    for old, new in (
        (".venv/bin/", f"{Path(sys.executable).parent}/"),
        ("llama-3.1-8b", str(model)),
        ("--device cuda", "--device cpu"),
    ):
        text = text.replace(old, new)
    variables = {name: value for name, value in GPU["env"].items() if name.isupper() and "${{" not in value}
    variables |= {"RUNNER_TEMP": str(folder), "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "PROFILE": "quick"}
    variables |= {"HF_HOME": str(folder / "hub"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        cwd=ROOT, env=os.environ | variables | environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return Run(done.returncode, done.stdout + done.stderr)


def test_forks_never_reach_our_own_runners():
    """Jobs on our own runners are started by hand or by the clock only."""
    own = {name for name, job in jobs() if "self-hosted" in job["runs-on"]}

    assert own == {"gpu"}
    assert set(WORKFLOWS["gpu"]["on"]) == {"workflow_dispatch", "schedule"}


def test_every_job_has_an_end_and_can_only_read():
    """A job that does not end is stopped, and no job can change the repository."""
    assert all(int(job["timeout-minutes"]) <= 360 for _, job in jobs())
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())


def test_the_gpu_job_is_offline_and_keeps_its_report():
    """Weights come from the cache of the runner. The report is kept even if a step before it has failed."""
    (upload,) = [step for step in GPU["steps"] if "upload-artifact" in step.get("uses", "")]

    assert GPU["env"]["HF_HUB_OFFLINE"] == GPU["env"]["TRANSFORMERS_OFFLINE"] == "1"
    assert upload["if"] == "always()"
    assert upload["with"]["path"] == "${{ runner.temp }}/report/"
    assert not any("${{" in step.get("run", "") for step in GPU["steps"])


def test_the_weekly_run_tries_the_oldest_versions():
    """The versions of its first row are the lower ends of the ranges in pyproject.toml."""
    requirements = map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    lowest = {found.name: min(found.specifier, key=lambda part: part.operator != ">=") for found in requirements}
    oldest = WORKFLOWS["weekly"]["jobs"]["other-versions"]["strategy"]["matrix"]["packages"][0].split()

    assert len(oldest) == 6
    for name, version in (package.split("==") for package in oldest):
        assert lowest[name].version == version.removesuffix(".*")


def test_the_options_of_the_gpu_job_exist(tmp_path, llama_folder):
    """The claims can be listed with the options of the job."""
    done = run(command("pytest claims/"), tmp_path, llama_folder, PYTEST_ADDOPTS="--collect-only -q")

    assert done.code == 0, done.output
    assert "Even heads put more than 40 % of their attention on the numbers, in every format." in done.output


@pytest.mark.slow
def test_the_gpu_job_judges_a_tiny_model(tmp_path, llama_folder):
    """The doctor accepts the model, a claim is judged, the report is checked, and the verdict is in the summary."""
    doctor = run(command("doctor"), tmp_path, llama_folder)
    claims = run(command("pytest claims/"), tmp_path, llama_folder, PYTEST_ADDOPTS="-k 1.1a --no-figures")
    check = run(command("check_report"), tmp_path, llama_folder)
    summary = run(command("GITHUB_STEP_SUMMARY"), tmp_path, llama_folder)

    assert doctor.code == 0, doctor.output
    assert claims.code == 0, claims.output
    report = Report.model_validate_json((tmp_path / "report" / "report.json").read_text())
    assert (report.options.profile, [claim.id for claim in report.claims]) == ("quick", ["1.1a"])
    assert report.subject.device == "cpu"
    assert "1.1b has no verdict" in check.output  # the run above judged one claim only
    assert "1.1a has no verdict" not in check.output
    assert summary.code == 0, summary.output
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert (lines[0], lines[-1]) == ("```", "```")
    assert " verdicts =" in lines[1]
    assert any(f"{report.claims[0].verdict}" in line and "1.1a" in line for line in lines)
