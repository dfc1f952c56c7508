"""The trial of the published method: its record, its counts and its tables."""

from __future__ import annotations

import json

import pytest

from claims.competition.as_published import trial, trial_tables
from claims.competition.as_published.methods import AS_PUBLISHED, SWITCHES
from claims.competition.as_published.published import CLAIMS
from claims.competition.ground_truth import TRUTH
from fixtures.options import ROOT
from fixtures.record import digest, recorded
from referee.judging.verdict import Verdict

QUICK = "planted:heads=4"
"""A model with the bug, on which one call of the published method is wrong."""
NOTHING = {claim.id: "NOT APPLICABLE" for claim in CLAIMS}


def verdicts(model, method=None, call="NOT APPLICABLE"):
    """Returns verdicts of every method on one model: NOT APPLICABLE, but one method calls claim 4.2 as given."""
    return {model: {name: NOTHING | {"4.2": call} if name == method else NOTHING for name in trial.methods()}}


def total(found, key):
    return sum(count[key] for count in found)


def not_true(found):
    return total(found, "calls") - total(found, "true")


def test_the_record_has_every_call_on_every_model():
    """The record is of the present theory, and names the code that made it."""
    record = json.loads(trial.RECORD.read_text(encoding="utf-8"))

    assert (record["theory"], len(record["code"])) == (digest("competition"), 12)
    assert list(record["models"]) == list(TRUTH.models)
    for found in record["models"].values():
        assert list(found) == list(trial.methods())
        assert all(list(calls) == [claim.id for claim in CLAIMS] for calls in found.values())
        assert {call for calls in found.values() for call in calls.values()} <= set(Verdict)


def test_the_record_is_what_the_published_method_finds():
    """The published method gives the recorded calls again. No other method is run, because they take longer."""
    found = trial.judge(QUICK, {"as published": AS_PUBLISHED})

    assert found["as published"] == trial.recorded()[QUICK]["as published"]
    assert "SUPPORTED" in found["as published"].values()


def test_the_pages_quote_the_record():
    """docs/method.md has the counts of each claim and of each deviation, and the README has the sums."""
    pages = {page: (ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/method.md")}
    record = trial.recorded()
    of_suite = [recorded("competition")[claim.id] for claim in CLAIMS]
    published = [trial.counts(record, "as published")[claim.id] for claim in CLAIMS]

    for claim_id, *cells in trial_tables.by_claim(record, recorded("competition")).rows:
        row = [claim_id, *cells[:2], f"{cells[2]}, {cells[3]}", f"{cells[4]}, {cells[5]}"]
        assert f"| {' | '.join(map(str, row))} |" in pages["docs/method.md"]
    for name, *cells in trial.rates(record):
        if name.startswith("as stated, but"):
            assert f" | {' | '.join(cells[:-1])} |" in pages["docs/method.md"], name
    text = " ".join(pages["README.md"].split())
    assert f"on {len(record)} models whose truth is known" in text
    assert f"REFUTED in {total(published, 'false_refutation')} of {total(published, 'true')} cases" in text
    assert f"SUPPORTED in {total(published, 'false_support')} of {not_true(published)} in which" in text
    assert (
        f"does so in {total(of_suite, 'false_refutation')} of {total(of_suite, 'true')}"
        f" and {total(of_suite, 'false_support')} of {not_true(of_suite)}."
    ) in text


def test_errors_of_a_method_are_counted_as_those_of_the_suite():
    """SUPPORTED on a model in which a claim is false is false support. REFUTED where it is true is false refutation."""
    refuted = verdicts("planted", "as published", "REFUTED")
    supported = verdicts("planted:heads=4", "as published", "SUPPORTED")

    found = trial.counts(refuted | supported, "as published")["4.2"]

    assert (found["false_support"], found["false_refutation"], found["true"]) == (1, 1, 1)


def test_a_recording_continues_after_an_interruption(monkeypatch, tmp_path, capsys):
    """Models that are on record are not judged again, unless the code has changed since."""
    judged = []

    def judge(model, methods, seed=0):
        if len(judged) == 1:
            judged.append("interrupted")
            raise KeyboardInterrupt
        judged.append(model)
        return verdicts(model)[model]

    monkeypatch.setattr(trial, "RECORD", tmp_path / "trial.json")
    monkeypatch.setattr(trial, "judge", judge)
    monkeypatch.setattr(trial, "code_digest", lambda theory: "one")
    command = ["--record", "--models", "planted:graded,planted:inert"]

    with pytest.raises(KeyboardInterrupt):
        trial.main(command)
    assert trial.main(command) == 0
    assert judged == ["planted:graded", "interrupted", "planted:inert"]
    assert list(trial.recorded()) == ["planted:graded", "planted:inert"]
    assert "false support and false refutation on 2 models" in capsys.readouterr().out

    monkeypatch.setattr(trial, "code_digest", lambda theory: "another")
    assert trial.main(command) == 0
    assert judged[3:] == ["planted:graded", "planted:inert"]


def test_a_record_of_another_theory_is_not_quoted(monkeypatch):
    """Another threshold may change every call, so the record is not used."""
    monkeypatch.setattr(trial, "digest", lambda theory: "other")

    assert trial.recorded() == {}


def test_the_tables_say_how_often_each_method_is_wrong():
    """The published method supports a false claim on one model, and left alignment refutes a true one on another."""
    left = f"as stated, but {SWITCHES['left']}"
    found = verdicts("planted", left, "REFUTED") | verdicts("planted:heads=4", "as published", "SUPPORTED")
    suite = {"4.2": {"calls": 10, "true": 4, "false_support": 1, "false_refutation": 2}}

    by_claim = trial_tables.by_claim(found, suite)
    by_method = {name: cells for name, *cells in trial_tables.by_method(found).rows}

    row = next(cells for cells in by_claim.rows if cells[0] == "4.2")
    assert row[1:] == ("1 of 1", "0 of 1", "0 of 1", "0 of 1", "1 of 6", "2 of 4", "left alignment (1)")
    assert next(cells for cells in by_claim.rows if cells[0] == "4.1a")[5:] == ("–", "–", "none")
    assert by_method["as published"][3] == "1/1 0/1"
    assert by_method[left][-1] == "0/2 1/10"
    assert (
        "4.2: The published method calls this claim SUPPORTED on 1 of 1 models in which it is not true, and REFUTED on"
        " 0 of 1 in which it is true. This suite: 1 of 6 and 2 of 4 verdicts."
    ) in trial_tables.in_words(by_claim)
