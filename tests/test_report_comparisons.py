"""`python -m reports diff`, `compare` and the part of `replay` that compares: on reports made without a model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sample_reports import BAD, CLAIM, GOOD, OF_THEORY, THEORY, found, options, report_of

from referee.errors import UnreadableReport
from referee.judging.evidence import Chance
from referee.judging.findings import headline_findings
from referee.judging.statistics import Estimate
from reports import models
from reports.__main__ import main
from reports.commands import replay

SUBJECT = models.Subject(name="tiny", revision="abc", layer=1, n_layers=3, n_heads=4, n_kv_heads=2, dtype="float32",
                         device="cpu", fingerprint="f1")  # fmt: skip
SHIFTED = Estimate(0.81, 0.71, 0.91, 20)


@pytest.fixture
def file(tmp_path):
    """Returns a function that writes a report of findings to a file, and returns its path."""

    def write(name, *findings, **changed):
        place = tmp_path / f"{name}.json"
        fields = {"created": "2030-01-01T00:00:00+00:00", "subject": SUBJECT} | changed
        place.write_text(report_of(*findings, **fields).model_dump_json(), encoding="utf-8")
        return str(place)

    return write


def test_equal_reports_do_not_differ(file, capsys):
    """The exit code is 0."""
    one = file("one", found())

    assert main(["diff", one, one]) == 0

    shown = capsys.readouterr().out
    assert "All verdicts are equal." in shown
    assert "No interval of a claim in both differs." in shown
    assert "Everything is equal." in shown


def test_diff_shows_verdicts_intervals_and_provenance(file, capsys, tmp_path):
    """The exit code is 1 if a verdict differs. The page has the same tables, with text escaped."""
    other = replace(CLAIM, id="9.9b")
    headlines = [headline_findings([found(estimate)], THEORY) for estimate in (GOOD, BAD)]
    one = file("one", found(), found(claim=other), headlines=headlines[0])
    two = file("two", found(BAD), found(SHIFTED, claim=other), headlines=headlines[1], options=options(seed=1))

    assert main(["diff", one, two, "--html", str(tmp_path / "d.html")]) == 1

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "Verdicts that differ, of 2 claims in both" in lines
    numbers = "0.800 [0.700, 0.900] 0.200 [0.100, 0.300]"
    assert f"9.9a SUPPORTED REFUTED {numbers} Numbers <win> & hold." in lines
    assert "headline 1 SUPPORTED REFUTED – – All <win>." in lines
    assert lines.index(f"9.9a {numbers} -0.6 apart 20 → 20") < lines.index(
        "9.9b 0.800 [0.700, 0.900] 0.810 [0.710, 0.910] +0.01 overlap 20 → 20"
    )
    assert "option --seed 0 1" in lines
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert "<td>Numbers &lt;win&gt; &amp; hold.</td>" in page
    assert "http" not in page


def test_a_shift_of_an_interval_is_no_difference_of_verdicts(file, capsys):
    """The exit code is 0, and claims that only one report has are listed."""
    other = replace(CLAIM, id="9.9b")

    assert main(["diff", file("one", found()), file("two", found(SHIFTED), found(claim=other))]) == 0

    assert "9.9b   only in the second" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["diff", "compare"])
def test_other_theories_are_refused(command, file, capsys):
    """Claims with the same id may say something else. An option allows the comparison."""
    one = file("one", found())
    two = file("two", found(), theories=(OF_THEORY.model_copy(update={"digest": "xyz"}),))

    assert main([command, one, two]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "judge the same theory; got digests abc and xyz of a_theory" in line
    assert main([command, one, two, "--allow-other-theory"]) == 0


def test_compare_has_a_column_for_each_subject(file, capsys, tmp_path):
    """A claim that a report does not have is a dash there. Control characters do not reach the terminal."""
    headlines = headline_findings([found()], THEORY)
    one = file("one", found(), headlines=headlines, options=options(model="\x1b[31mred"))
    two = file("two", found(BAD), found(claim=replace(CLAIM, id="9.9b")))

    assert main(["compare", one, two, one, "--html", str(tmp_path / "c.html")]) == 0

    shown = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    good, bad = "✓ SUPPORTED 0.800 [0.700, 0.900]", "✗ REFUTED 0.200 [0.100, 0.300]"
    assert lines[2:4] == [
        r"[1] \x1b[31mred quick 0 1 2030-01-01T00:00:00+00:00",
        "[2] tiny quick 0 1 2030-01-01T00:00:00+00:00",
    ]
    assert lines[lines.index("A theory") + 1 :] == [
        "Claim [1] [2] [3] Statement",
        "headline 1 ✓ SUPPORTED – ✓ SUPPORTED All <win>.",
        f"9.9a {good} {bad} {good} Numbers <win> & hold.",
        f"9.9b – {good} – Numbers <win> & hold.",
    ]
    assert "\x1b" not in shown
    assert "<td>✗ REFUTED 0.200 [0.100, 0.300]</td>" in (tmp_path / "c.html").read_text(encoding="utf-8")


def test_a_replay_runs_what_the_report_ran():
    """Tests, model, revision, layer, data type, profile and seed come from the report."""
    report = report_of(found(), subject=SUBJECT, options=options(seed=3, layer=None))

    assert replay.selection(report) == [
        "claims/test_x.py::test_x", "--model=tiny", "--layer=1", "--dtype=float32", "--device=auto", "--seed=3",
        "--profile=quick", "--fingerprint=f1", "--revision=abc", "--no-cache", "--no-figures",
    ]  # fmt: skip
    elsewhere = replay.selection(report, model="./here", device="cpu")
    assert {"--model=./here", "--device=cpu"} <= set(elsewhere)


@pytest.mark.parametrize("test", ["claims/../evil.py::test", "/evil.py", "-p evil", "claims/"])
def test_a_replay_runs_only_claims_of_the_suite(test):
    """A report comes from another person, and may name any file."""
    report = report_of(found(), subject=SUBJECT)
    claim = report.claims[0].model_copy(update={"test": test})

    with pytest.raises(UnreadableReport, match=r"must name tests in claims/; got"):
        replay.selection(report.model_copy(update={"claims": (claim,)}))


def test_a_report_without_a_subject_cannot_be_replayed():
    """Nothing was measured."""
    with pytest.raises(UnreadableReport, match="must have a subject"):
        replay.selection(report_of(found()))


def test_the_drift_is_that_of_the_margins():
    """It is never smaller than rounding."""
    margins = models.Margins(margins=9, smallest=0.1, alone=0.02, again=3, precise=0.03, turned=0)

    assert replay.drift(report_of(found())) == replay.ROUNDING
    assert replay.drift(report_of(found(), margins=margins)) == 0.03
    assert replay.drift(report_of(found(), margins=margins.model_copy(update={"precise": None}))) == 0.02


def test_a_report_cannot_choose_its_drift():
    """The smaller drift of both runs counts, so a report that states a huge one gains nothing."""
    margins = models.Margins(margins=9, smallest=0.1, alone=0.02, again=0, precise=None, turned=0)
    boasting = report_of(found(), margins=margins.model_copy(update={"alone": 1e300}))

    assert replay.drift(boasting, report_of(found(), margins=margins)) == 0.02


@pytest.mark.parametrize(
    "changed",
    [
        {"statement": "Numbers lose."},
        {"criterion": models.Criterion(low=0.1, high=None, text="> 0.1")},
        {"decisive_part": "another"},
        {"chance": ()},
        {"variants": ()},
        {"agreement": None},
        {"fragile": False},
    ],
)
def test_what_a_reader_sees_of_a_claim_is_compared(changed):
    """A report whose statement, criterion or comparisons were changed by hand diverges."""
    report = report_of(found(against=(Chance("coin", 0.5),), variants={"last row": {"all": BAD}}))
    claim = report.claims[0].model_copy(update=changed)

    (line,) = replay.divergences(report.model_copy(update={"claims": (claim,)}), report, 0.1)

    assert line == f"the field {next(iter(changed))!r} of 9.9a differs from the report"


@pytest.mark.parametrize("changed", [{"p_holm": 0.9}, {"decisive": None}, {"statement": "None <win>."}])
def test_what_a_reader_sees_of_a_headline_is_compared(changed):
    """The same holds for a headline. A headline that one of the reports lacks diverges, too."""
    report = report_of(found(), headlines=headline_findings([found()], THEORY))
    headline = report.headlines[0].model_copy(update=changed)

    (line,) = replay.divergences(report.model_copy(update={"headlines": (headline,)}), report, 0.1)
    (missing,) = replay.divergences(report.model_copy(update={"headlines": ()}), report, 0.1)

    assert line == f"the field {next(iter(changed))!r} of headline 1 differs from the report"
    assert missing == "headline 1 is SUPPORTED, and not judged in the report"


def test_estimates_within_the_drift_agree():
    """A difference beyond it is one line, and so is another verdict, another n, and a claim that is missing."""
    before, after = report_of(found()), report_of(found(SHIFTED))

    assert list(replay.divergences(before, after, 0.02)) == []
    assert list(replay.divergences(before, after, 0.001)) == [
        "9.9a is 0.81 [0.71, 0.91], n = 20, and 0.8 [0.7, 0.9], n = 20 in the report"
    ]
    fewer = report_of(found(replace(GOOD, n=19)))
    assert len(list(replay.divergences(before, fewer, 0.02))) == 1
    assert list(replay.divergences(before, report_of(found(BAD)), 9.0)) == [
        "9.9a is REFUTED, and SUPPORTED in the report"
    ]
    assert list(replay.divergences(before, report_of(), 9.0)) == ["9.9a is only in the first run"]


def test_every_part_is_compared():
    """A part that does not decide may diverge too."""
    before, after = (report_of(found({"A": other, "B": BAD})) for other in (GOOD, SHIFTED))

    assert list(replay.divergences(before, after, 0.001)) == [
        "9.9a (A) is 0.81 [0.71, 0.91], n = 20, and 0.8 [0.7, 0.9], n = 20 in the report"
    ]


def test_a_headline_that_differs_diverges():
    """Its verdict rests on the p-values of all its claims."""
    one, two = (report_of(found(), headlines=headline_findings([found(estimate)], THEORY)) for estimate in (GOOD, BAD))

    assert list(replay.divergences(one, two, 9.0)) == ["headline 1 is REFUTED, and SUPPORTED in the report"]
