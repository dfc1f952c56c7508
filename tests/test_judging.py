"""A claim test gives one verdict, whatever the test does around it."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from runs import run

from claims.operating import too_many
from fixtures import discovery, record
from fixtures.ledger import Judge
from fixtures.options import PROFILES
from referee.judging.claims import Claim, Theory
from referee.judging.evidence import Estimates, Evidence
from referee.judging.findings import judged
from referee.judging.statistics import Estimate
from referee.judging.verdict import above

CLAIM = Claim("1.1a", "A sentence.", "a share", above(0.5), "nobody")
THEORY = Theory("A theory", (CLAIM,), unit="units", stratum="order")
HEAD = """
import pytest
from claims.competition.theory import SHARP
from referee.judging.evidence import Estimates, Evidence, NotApplicable
from referee.judging.statistics import Estimate

LOW, HIGH = (Evidence(Estimates({"all": Estimate(x, x, x, 20)})) for x in (0.05, 0.9))
"""
CAUGHT = "\n    try:\n        judge(HIGH)\n    except AssertionError:\n        pass"
BODIES = {
    "an xfail marker": ("@pytest.mark.xfail\n", "judge(HIGH)", "REFUTED"),
    "a verdict that is caught": ("", CAUGHT, "REFUTED"),
    "two verdicts": ("", "\n    judge(LOW)\n    judge(LOW)", "ERROR"),
    "not applicable after a verdict": ("", "\n    judge(LOW)\n    raise NotApplicable('late')", "ERROR"),
    "no verdict": ("", "pass", "ERROR"),
}


@pytest.mark.parametrize(("marker", "body", "verdict"), BODIES.values(), ids=BODIES)
def test_the_outcome_is_the_verdict(tmp_path, marker, body, verdict):
    """A refuted claim turns the run red, and a test that does not give exactly one verdict is an error."""
    file = tmp_path / f"{tmp_path.name}.py"  # a name of its own: this process imports it
    file.write_text(f"{HEAD}\n@pytest.mark.claim(SHARP)\n{marker}def test_it(judge):\n    {body}\n")

    done = run(f"--report={tmp_path / 'report'}", str(file), "-k", "test_it")

    assert done.code == 1, done.output
    report = tmp_path / "report" / "report.json"
    assert f"{verdict:<14} 4.1b" in done.output
    if verdict != "ERROR":
        assert [claim["verdict"] for claim in json.loads(report.read_text())["claims"]] == [verdict]


def test_a_judge_is_asked_once():
    """A second verdict would replace the first one."""
    item = SimpleNamespace(stash=pytest.Stash())
    judge = Judge(CLAIM, THEORY, item)
    evidence = Evidence(Estimates({"all": Estimate(0.8, 0.7, 0.9, 20)}))
    judge(evidence)

    with pytest.raises(RuntimeError, match="once"):
        judge(evidence)


def test_evidence_without_an_estimate_is_a_fault():
    """Nothing was measured, so nothing is true in every part."""
    with pytest.raises(ValueError, match="at least one estimate"):
        judged(CLAIM, Evidence(Estimates({})), THEORY)


def test_two_claims_do_not_share_an_id():
    """They would share a figure, a table and an entry of ground truth."""
    with pytest.raises(ValueError, match=r"different ids; got 1\.1a twice"):
        Theory("A theory", (CLAIM, CLAIM), unit="units", stratum="order")


def test_two_experiments_do_not_share_the_name_of_a_fixture(tmp_path, monkeypatch):
    """Otherwise a claim would be judged on the evidence of another experiment."""
    for experiment in ("first", "second"):
        folder = tmp_path / "claims" / "twins" / experiment
        folder.mkdir(parents=True)
        text = "import pytest\n\n@pytest.fixture\ndef measured():\n    return 1\n"
        (folder / "fixture.py").write_text(text)
        for place in (folder, folder.parent):
            (place / "__init__.py").write_text("")
    monkeypatch.setattr(discovery, "_CLAIMS", tmp_path / "claims")
    monkeypatch.setattr(sys.modules["claims"], "__path__", [*sys.modules["claims"].__path__, str(tmp_path / "claims")])

    with pytest.raises(ValueError, match="must have different names; got measured again"):
        discovery.fixtures_of_experiments("twins")


def test_the_recorded_trial_belongs_to_the_theory():
    """Otherwise reports could not quote it. `python -m claims.trial --record` makes a new one.

    Tests at a level of 5 % may be wrong in one of twenty random models, but no error rate may be clearly above 5 %.
    """
    recorded = record.recorded("competition")

    assert set(recorded) == {claim.id for claim in discovery.theories()["competition"].claims}
    for counts in recorded.values():
        assert not too_many(counts["false_support"], counts["calls"] - counts["true"])
        assert not too_many(counts["false_refutation"], counts["true"])


def test_error_rates_are_quoted_only_for_the_recorded_theory(monkeypatch):
    """Every claim has rates at every profile. After a change of theory.py, none is quoted."""
    ids = {claim.id for claim in discovery.theories()["competition"].claims}
    for profile in PROFILES:
        assert set(record.operating("competition", profile)) == ids

    monkeypatch.setattr(record, "digest", lambda theory: "another")
    assert record.operating("competition", "quick") == {}
