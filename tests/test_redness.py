"""Which verdicts turn a run red: --baseline and --fail-on."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from sample_reports import BAD, CLAIM, GOOD, OF_THEORY, OPEN, found, report_of

from fixtures import redness
from fixtures.redness import AS_BEFORE, Redness
from fixtures.run import Result
from referee.judging.findings import Finding
from referee.judging.verdict import Verdict

OUTCOMES = {Verdict.SUPPORTED: "passed", Verdict.REFUTED: "failed", Verdict.INCONCLUSIVE: "skipped"}
ERROR = Finding(CLAIM, Verdict.ERROR, reason="lost")


def after(rule, finding):
    """Returns pytest's report on a claim, as the run ends with it."""
    report = SimpleNamespace(outcome=OUTCOMES.get(finding.verdict, "failed"), longrepr="as without options")
    rule.apply(report, finding, OF_THEORY.folder)
    return report


def config(**options):
    return SimpleNamespace(getoption=lambda name, default: options.get(name, default))


def against(*findings):
    return Redness(report_of(*findings), name="base.json")


@pytest.mark.parametrize("finding", [found(GOOD), found(BAD), found(OPEN), ERROR], ids=lambda f: f.verdict)
def test_without_options_nothing_changes(finding):
    """The verdict alone gives the outcome."""
    report = after(Redness(), finding)

    assert vars(report) == vars(SimpleNamespace(outcome=OUTCOMES.get(finding.verdict, "failed"),
                                                longrepr="as without options"))  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "outcome"),
    [
        (GOOD, GOOD, "passed"), (BAD, BAD, "passed"), (OPEN, OPEN, "skipped"),
        (BAD, GOOD, "failed"), (GOOD, BAD, "failed"), (OPEN, GOOD, "failed"), (GOOD, OPEN, "failed"),
    ],
)  # fmt: skip
def test_with_a_baseline_only_another_verdict_fails(before, now, outcome):
    """A refuted claim that was refuted before is green, and a supported one that was refuted before is red."""
    report = after(against(found(before)), found(now))

    assert report.outcome == outcome
    if outcome == "failed":
        assert report.category == "failed"
        assert f", but {found(before).verdict} in the baseline: " in report.longrepr
    assert (getattr(report, "category", None) == AS_BEFORE) == (before is now is BAD)


@pytest.mark.parametrize("before", [ERROR, found(GOOD)], ids=lambda finding: finding.verdict)
def test_an_error_stays_an_error_whatever_the_baseline_has(before):
    """An error is no verdict, so it is not compared: pytest still shows the fault, and counts no failure."""
    report = after(against(before), ERROR)

    assert (report.outcome, report.longrepr) == ("failed", "as without options")
    assert not hasattr(report, "category")


def test_a_claim_that_the_baseline_lacks_is_judged_as_usual():
    """It fails if it is refuted."""
    other = against(found(claim=replace(CLAIM, id="9.9z")))

    assert [after(other, found(estimate)).outcome for estimate in (GOOD, BAD)] == ["passed", "failed"]


def test_inconclusive_claims_can_fail():
    """The option does not change the other verdicts."""
    rule = Redness(fail_on="inconclusive")

    assert [after(rule, found(estimate)).outcome for estimate in (GOOD, BAD, OPEN)] == ["passed", "failed", "failed"]
    assert after(rule, found(OPEN)).longrepr.startswith("INCONCLUSIVE: 0.625")


def test_the_terminal_lists_what_differs():
    """It counts the claims that the baseline does not have."""
    other = found(claim=replace(CLAIM, id="9.9b"))
    results = [Result(finding, OF_THEORY.folder, "test", 0.0) for finding in (found(BAD), other)]

    assert against(found()).lines(results) == [
        "baseline: 1 of 1 verdicts differ from base.json; 1 claim is not in it",
        "  9.9a  SUPPORTED → REFUTED",
    ]
    assert Redness().lines(results) == []


def test_a_baseline_of_another_theory_is_refused(monkeypatch):
    """A claim with the same id may say something else."""
    monkeypatch.setattr(redness.record, "digest", lambda folder: "other")

    with pytest.raises(pytest.UsageError, match=r"must have judged the same theory; got digest abc of a_theory"):
        against(found()).require_same_theories(["a_theory"])
    against(found()).require_same_theories(["another"])
    Redness().require_same_theories(["a_theory"])


def test_both_options_are_refused():
    """They contradict each other if a claim was INCONCLUSIVE before."""
    with pytest.raises(pytest.UsageError, match="Leave one out"):
        Redness.of(config(baseline="x", fail_on="inconclusive"))


def test_a_baseline_that_is_no_report_is_refused(tmp_path):
    """The line names the option and the file."""
    with pytest.raises(pytest.UsageError, match=r"^--baseline: The file must be readable; got .*none.json"):
        Redness.of(config(baseline=str(tmp_path / "none.json")))
