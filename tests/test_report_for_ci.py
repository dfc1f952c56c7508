"""What CI systems read of a run: summary.md, ctrf.json and JUnit XML."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from runs import process
from sample_reports import BAD, CLAIM, GOOD, OPEN, THEORY, found, options, report_of, written

from referee.judging.findings import Finding, headline_findings
from referee.judging.verdict import Verdict
from reports import models
from reports.ctrf import ctrf
from reports.summary import plain, summary

CLAIMS = [replace(CLAIM, id=f"9.9{letter}") for letter in "bacde"]
EVERY = (
    found(GOOD, claim=CLAIMS[0]),
    found(BAD),
    found(OPEN, claim=CLAIMS[2]),
    Finding(CLAIMS[3], Verdict.NOT_APPLICABLE, reason="nothing to repair"),
    Finding(CLAIMS[4], Verdict.ERROR, reason="lost"),
)
REGISTRATION = models.Registration(file="r.json", sha256="ab" * 32, created="2030-01-01T00:00:00+00:00", changed=())


def test_the_summary_has_the_verdicts_with_their_numbers():
    """The worst verdict comes first, and the headline has the numbers of the claim that decides it."""
    text = summary(report_of(*EVERY, headlines=headline_findings([found(BAD)], THEORY)))

    assert text.startswith("# A theory on tiny\n")
    assert "**1 ERROR** ! · **1 REFUTED** ✗ · **1 INCONCLUSIVE** ? · **1 NOT APPLICABLE** – · **1 SUPPORTED** ✓" in text
    row = "0.200 \\[0.100, 0.300\\] | &gt; 0.5 | 20 pairs |"
    assert f"| ✗ REFUTED | All &lt;win&gt;. | 9.9a | {row}" in text
    assert f"| ✗ REFUTED | 9.9a Numbers &lt;win&gt; &amp; hold. | {row}" in text
    assert text.index("| ! ERROR") < text.index("| ✓ SUPPORTED")
    assert "- This model has &lt;numbers&gt;.\n" in text


def test_the_summary_says_when_the_rules_were_fixed():
    """A run that differs from its registration lists each difference."""
    changed = REGISTRATION.model_copy(update={"changed": ("seed: 0, registered 1",)})

    assert "- registered before the run (r.json, " in summary(report_of(*EVERY, registration=REGISTRATION))
    text = summary(report_of(*EVERY, registration=changed))
    assert "- post-hoc: 1 difference from the registration (r.json, " in text
    assert "- changed: seed: 0, registered 1" in text
    assert "regist" not in summary(report_of(*EVERY))


def test_an_incomplete_run_says_so_in_its_summary():
    """The list before the tables begins with it."""
    assert "- **The run is incomplete.**" in summary(report_of(*EVERY, complete=False))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("<script>", "&lt;script&gt;"),
        ("a|b\n# c", "a\\|b \\# c"),
        ("[x](y)", "\\[x\\](y)"),
        ("x" * 999, "x" * 299 + "…"),
    ],
)
def test_the_summary_shows_text_as_it_is(hostile, shown):
    """A hostile name of a model makes no markup, no new line and no page of text."""
    assert plain(hostile) == shown
    assert f"on {shown}\n" in summary(report_of(*EVERY, options=options(model=hostile)))


TEXT, NUMBER = (str,), (int,)
FIELDS = {
    "": {"reportFormat": TEXT, "specVersion": TEXT, "timestamp": TEXT, "generatedBy": TEXT, "results": (dict,)},
    "results": {"tool": (dict,), "summary": (dict,), "tests": (list,), "environment": (dict,)},
    "tool": {"name": TEXT, "version": TEXT},
    "summary": dict.fromkeys(
        ("tests", "passed", "failed", "skipped", "pending", "other", "start", "stop", "duration"), NUMBER
    ),
    "test": {"testId": TEXT, "name": TEXT, "status": TEXT, "rawStatus": TEXT, "duration": NUMBER, "suite": (list,),
             "filePath": TEXT, "labels": (dict,), "message": TEXT, "extra": (dict,)},
    "environment": {"reportName": TEXT, "appName": TEXT, "appVersion": TEXT, "commit": TEXT, "osPlatform": TEXT,
                    "extra": (dict,)},
}  # fmt: skip
"""The fields that the schema of the format allows, as far as the suite uses them. It allows no others."""
OPTIONAL = {"message", "appVersion", "commit"}


def test_ctrf_has_the_fields_of_its_schema():
    """Each object has the required fields, no field that the schema does not allow, and values of the right type."""
    content = json.loads(ctrf(report_of(*EVERY)))
    results = content["results"]
    objects = [("", content), ("results", results), *((name, results[name]) for name in FIELDS if name in results)]

    for name, value in [*objects, *(("test", test) for test in results["tests"])]:
        assert set(value) <= set(FIELDS[name])
        assert set(FIELDS[name]) - set(value) <= OPTIONAL
        assert all(type(value[field]) in FIELDS[name][field] for field in value)
    assert (content["reportFormat"], content["specVersion"]) == ("CTRF", "0.0.0")
    assert all(test["name"] and test["suite"] and all(test["labels"].values()) for test in results["tests"])


def test_ctrf_keeps_what_its_statuses_cannot_say():
    """An INCONCLUSIVE claim is "other", and `extra` has its numbers. The summary counts each status."""
    results = json.loads(ctrf(report_of(*EVERY)))["results"]

    assert [(test["status"], test["rawStatus"]) for test in results["tests"]] == [
        ("passed", "SUPPORTED"),
        ("failed", "REFUTED"),
        ("other", "INCONCLUSIVE"),
        ("skipped", "NOT APPLICABLE"),
        ("failed", "ERROR"),
    ]
    assert results["summary"]["tests"] == 5
    assert [results["summary"][name] for name in ("passed", "failed", "skipped", "pending", "other")] == [1, 2, 1, 0, 1]
    assert results["tests"][1]["extra"]["estimate"] == {"value": 0.2, "low": 0.1, "high": 0.3, "n": 20}
    assert results["tests"][4]["message"] == "lost"


def test_both_files_are_beside_the_report(tmp_path):
    """They are made from report.json, and the manifest of the folder lists them."""
    report = written(tmp_path / "r", found(), found(claim=replace(CLAIM, id="9.9b")))

    assert (tmp_path / "r" / "summary.md").read_text(encoding="utf-8") == summary(report)
    assert (tmp_path / "r" / "ctrf.json").read_text(encoding="utf-8") == ctrf(report)
    listed = json.loads((tmp_path / "r" / ".referee-report.json").read_text(encoding="utf-8"))["files"]
    assert {"summary.md", "ctrf.json", "report.json", "index.html"} == set(listed)


@pytest.mark.slow
def test_junit_has_the_verdict_and_its_numbers(tmp_path):
    """pytest's own option writes them as properties of the test."""
    done = process("claims/", "--model=planted", "--profile=quick", "-k", "1.1b", f"--report={tmp_path / 'r'}",
                   "--no-figures", f"--junitxml={tmp_path / 'junit.xml'}")  # fmt: skip

    assert done.code == 0, done.output
    (case,) = ElementTree.parse(tmp_path / "junit.xml").iter("testcase")
    properties = {found.get("name"): found.get("value") for found in case.iter("property")}
    assert (properties["claim"], properties["verdict"], properties["claimed"]) == ("1.1b", "SUPPORTED", "< 0.4")
    assert float(properties["low"]) <= float(properties["estimate"]) <= float(properties["high"]) < 0.4
    assert properties["n"] == "36"
