"""How the terminal and the report keep theories apart, and how they show what is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from sample_reports import BAD, CLAIM, KNOWN, OF_THEORY, OPEN, OTHER, THEORY, entry, found, report_of, text_of, written
from test_headlines_shown import Paper

from fixtures.run import Result, Run
from fixtures.terminal import ClaimLines
from fixtures.verdict_table import write_table
from referee.judging.findings import Finding, headline_findings
from referee.judging.verdict import Verdict, above
from reports import document, words

LONG = "Some heads look back at a word, and this sentence about them is too long for one line of a terminal."
FACTS = [
    found(claim=replace(KNOWN.claims[0], statement=LONG), theory=KNOWN),
    found(BAD, claim=KNOWN.claims[1], theory=KNOWN),
    Finding(KNOWN.claims[2], Verdict.NOT_APPLICABLE, reason="too few layers, " * 9),
    Finding(KNOWN.claims[3], Verdict.ERROR, reason="lost"),
]
TABLE = [
    "Does the instrument find what is known to be there?",
    "✓ SUPPORTED      K1    Some heads look back at a word, and this sentence about …     "
    "0.800 [0.700, 0.900]      claimed > 0.5",
    "✗ REFUTED        K2    Fact 2 is there.                                              "
    "0.200 [0.100, 0.300]      claimed > 0.5",
    "– NOT APPLICABLE K3    Fact 3 is there.                                              "
    "too few layers, too few layers, too few layers, too few …",
    "! ERROR          K4    Fact 4 is there.                                              not judged",
]
BORNE_OUT = "Known claims that are SUPPORTED on this model: 1 of 4 (not: K2 REFUTED, K3 NOT APPLICABLE, K4 ERROR)"


@pytest.fixture
def of(monkeypatch):
    """Returns a function that makes the only theories those of its arguments, by folder, in this order."""

    def change(**theories):
        for module in ("discovery", "run", "verdict_table", "terminal"):
            monkeypatch.setattr(f"fixtures.{module}.theories", lambda: theories)

    return change


def run_of(**findings):
    """Returns a run with findings on the claims of theories, by folder."""
    run = Run(None, "pytest")
    run.theories = tuple(findings)
    run.results = [Result(found, folder, "test", 0.0) for folder, some in findings.items() for found in some]
    return run


def table_of(run):
    """Returns the lines of the table at the end of a run that are not empty."""
    paper = Paper()
    write_table(paper, run, 100)
    return [line for line in paper.lines if line]


# --- the terminal -----------------------------------------------------------------------------------------------------


def test_the_table_begins_with_what_is_known(of):
    """Each known claim has one line. The headlines of the theory on trial are followed by how many were found."""
    of(known=KNOWN, a_theory=THEORY)
    supported = found()

    lines = table_of(run_of(known=FACTS, a_theory=[supported]))

    assert lines[:6] == ["verdicts", *TABLE]
    assert lines[6:8] == ["A theory", "✓ SUPPORTED      headline 1  All <win>."]
    assert lines[9] == BORNE_OUT
    assert lines[10].startswith("✓ SUPPORTED      9.9a  headline 1  0.800")
    assert len(lines) == 11


def test_the_table_says_whether_the_model_shows_what_the_theory_explains(of):
    """The sentence stands between the name of its theory and its headlines."""
    of(known=KNOWN, a_theory=THEORY)
    run = run_of(known=FACTS, a_theory=[found(BAD)])
    run.phenomena["a_theory"] = "This model has numbers."

    lines = table_of(run)

    place = lines.index("This model has numbers.")
    assert lines[place - 1] == "A theory"
    assert "headline 1" in lines[place + 1]


def test_a_run_of_known_claims_alone_says_how_many_were_found(of):
    """Nothing is said about a theory on trial that did not run."""
    of(known=KNOWN, a_theory=THEORY)

    assert table_of(run_of(known=FACTS)) == ["verdicts", *TABLE, BORNE_OUT]
    assert table_of(run_of(known=FACTS, a_theory=[])) == ["verdicts", *TABLE, BORNE_OUT]


def test_a_run_of_one_theory_on_trial_needs_no_heading(of):
    """Nothing is said about what is known, because nothing of it ran."""
    of(known=KNOWN, a_theory=THEORY)

    lines = table_of(run_of(a_theory=[found()]))

    assert lines[1].startswith("✓ SUPPORTED      headline 1")
    assert "known" not in "".join(lines)


def test_all_known_claims_of_the_run_are_counted():
    """A claim that could not be judged is named as one that is not SUPPORTED."""
    assert words.found({}) is None
    assert words.found({"K1": Verdict.ERROR}) == "0 of 1 (not: K1 ERROR)"
    assert words.found({"K1": Verdict.SUPPORTED}) == "1 of 1"
    assert words.found({"K1": Verdict.SUPPORTED, "K2": Verdict.SUPPORTED}) == "2 of 2"


def test_two_theories_on_trial_are_shown_one_after_the_other(of):
    """Each has its name as heading, and its own headlines and claims."""
    of(a_theory=THEORY, other=OTHER)
    of_other = found(BAD, claim=OTHER.claims[0], theory=OTHER)

    lines = table_of(run_of(a_theory=[found()], other=[of_other]))

    assert [lines.index(name) for name in ("A theory", "Another theory")] == [1, 5]
    assert lines[6].startswith("✗ REFUTED        O1 ")


def test_a_running_run_shows_known_claims_in_one_line(of):
    """A heading stands before the first claim of a theory, and nowhere else."""
    of(known=KNOWN, a_theory=THEORY)
    paper = Paper()
    config = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=lambda name: paper))
    lines = ClaimLines(config, run_of(known=[], a_theory=[]))

    for folder, finding in [*(("known", fact) for fact in FACTS), ("a_theory", found()), ("a_theory", found(BAD))]:
        lines.pytest_runtest_logreport(SimpleNamespace(finding=finding, theory=folder))

    shown = [line for line in paper.lines if line]
    assert shown[:5] == TABLE
    assert shown[5:] == [
        "A theory",
        "✓ SUPPORTED      9.9a  Numbers <win> & hold.",
        f"{'':17}0.800 [0.700, 0.900], claimed > 0.5, n = 20 pairs",
        "✗ REFUTED        9.9a  Numbers <win> & hold.",
        f"{'':17}0.200 [0.100, 0.300], claimed > 0.5, n = 20 pairs",
    ]


def test_findings_belong_to_their_theory(of):
    """The findings on another theory do not count for a headline."""
    of(known=KNOWN, a_theory=THEORY)
    run = run_of(known=FACTS, a_theory=[found(OPEN)])

    assert run.findings_of("known") == FACTS
    assert (run.known, run.on_trial) == (["known"], ["a_theory"])
    assert [(folder, len(headlines)) for folder, headlines in run.headlines().items()] == [
        ("known", 0),
        ("a_theory", 1),
    ]


# --- the report -------------------------------------------------------------------------------------------------------

OF_KNOWN = OF_THEORY.model_copy(
    update={
        "folder": "known",
        "name": "Known Facts",
        "digest": "def",
        "unit": "sequences",
        "stratum": None,
        "known": True,
    }
)
OF_OTHER = OF_THEORY.model_copy(update={"folder": "other", "name": "Another theory"})


def mixed(place, *known, theories=(OF_KNOWN, OF_THEORY)):
    """Writes a report with findings on known claims and one on the theory on trial. Returns it and its page."""
    findings = [*known, found(BAD, claim=replace(CLAIM, criterion=above(0.9)))]
    entries = [*(entry(fact, theory="known") for fact in known), entry(findings[-1])]
    report = report_of(theories=theories, claims=tuple(entries))
    document.write(place, report, findings)
    return report, text_of(place)


def test_the_page_begins_with_what_is_known(tmp_path):
    """One line counts the known claims and has a link to each. The claims are below."""
    _, page = mixed(tmp_path / "r", *FACTS)

    line = f"{words.KNOWN} {BORNE_OUT} ✓SUPPORTED K1 ✗REFUTED K2 –NOT APPLICABLE K3 !ERROR K4"
    below = "✗ REFUTED K2 · Fact 2 is there. Measured: share of wins: 0.200 [0.100, 0.300], claimed > 0.5, n = 20 seq"
    assert page.index(line) < page.index(below)
    assert "– NOT APPLICABLE K3 · Fact 3 is there. too few layers, too few layers," in page


def test_claims_are_grouped_by_theory_on_the_page(tmp_path):
    """The theory on trial comes first. The title and the counts are about it alone."""
    _, page = mixed(tmp_path / "r", *FACTS)

    below = ("A theory: all claims", "9.9a · ", "Known Facts: what is known to be there", "K4 · ", "K1 · ")
    places = [page.index(text) for text in below]
    assert places == sorted(places)
    assert page.startswith("Skip to the claims A theory on tiny ")
    assert "The claim of the theory: ✗ 1 REFUTED" in page
    assert "Theory Known Facts, digest def" in page
    assert "Theory A theory, digest abc" in page


def test_the_page_of_known_claims_alone_counts_them(tmp_path):
    """Then its title is the known theory."""
    report = report_of(theories=(OF_KNOWN,), claims=tuple(entry(fact, theory="known") for fact in FACTS))
    document.write(tmp_path / "r", report, FACTS)
    page = text_of(tmp_path / "r")

    assert page.startswith("Skip to the claims Known Facts on tiny ")
    assert "All 4 claims: ! 1 ERROR ✗ 1 REFUTED – 1 NOT APPLICABLE ✓ 1 SUPPORTED" in page
    assert "◇ chance ! ERROR K4 Fact 4 is there. lost Not measured. ✗ REFUTED K2" in page
    assert words.KNOWN not in page


def test_the_page_of_one_theory_says_nothing_about_what_is_known(tmp_path):
    """It has no line about known claims."""
    written(tmp_path / "r", found())

    assert words.KNOWN not in text_of(tmp_path / "r")
    assert "A theory: all claims, the worst verdicts first" in text_of(tmp_path / "r")


def test_each_theory_on_trial_has_headlines_of_its_own(tmp_path):
    """With two of them, the headings have their names."""
    (headline,) = headline_findings([found()], THEORY)
    both = tuple(document.headline(headline, folder) for folder in ("a_theory", "other"))
    report = report_of(found(), theories=(OF_THEORY, OF_OTHER)).model_copy(update={"headlines": both})
    document.write(tmp_path / "r", report, [found()])
    page = text_of(tmp_path / "r")

    assert [page.count(f"Headlines of {name} The headline is ") for name in ("A theory", "Another theory")] == [1, 1]
    assert page.count("1. All <win>.") == 2
    assert [headline.theory for headline in report.headlines] == ["a_theory", "other"]
