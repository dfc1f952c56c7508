"""How the terminal and the report show headlines, the robustness of a verdict, and all layers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import check_report
import pytest
from sample_reports import BAD, CLAIM, GOOD, KNOWN, OPEN, THEORY, found, report_of, text_of, written

from claims.expectations import GroundTruth, expect
from fixtures.run import Result, Run
from fixtures.terminal import ClaimLines
from referee.judging import statistics
from referee.judging.findings import Finding, headline_findings
from referee.judging.verdict import Verdict
from reports import words

FIRST, SECOND = CLAIM, replace(CLAIM, id="9.9b")
PAIR = replace(THEORY, claims=(FIRST, SECOND))
SUPPORTED, REFUTED = found(theory=PAIR), found(BAD, claim=SECOND, theory=PAIR)
OPPOSED = found(
    variants={"a": {"all": BAD}, "b": {"all": GOOD}, "c": {"all": OPEN}, "d": {"all": GOOD}}, incomparable=("d",)
)
BY_LAYER = {0: 0.1, 1: 0.9, 2: 0.8, 3: 0.4, 4: 0.3}


class Paper:
    """Stands for pytest's terminal, and keeps its lines."""

    verbosity = 0

    def __init__(self):
        self.text = ""

    def write(self, text, **colour):
        self.text += text

    def write_line(self, text, **colour):
        self.text += text + "\n"

    def section(self, title):
        self.write_line(title)

    def ensure_newline(self):
        pass

    @property
    def lines(self):
        return self.text.splitlines()


@pytest.fixture
def shown(monkeypatch):
    """Returns a function that gives the lines that the terminal shows at the end of a run."""

    def table(*findings, theory=PAIR, width=100, layer=2):
        for module in ("run", "verdict_table", "terminal"):
            monkeypatch.setattr(f"fixtures.{module}.theories", lambda: {"a_theory": theory})
        run = Run(None, "pytest")
        run.subject, run.page, run.why_no_report, run.stopped = {"layer": layer}, None, None, None
        run.selected, run.theories = len(findings), ("a_theory",)
        run.redness = SimpleNamespace(lines=lambda results: [])
        run.results = [Result(finding, "a_theory", "test", 0.0) for finding in findings]
        config, paper = SimpleNamespace(get_terminal_writer=lambda: SimpleNamespace(fullwidth=width)), Paper()
        ClaimLines(config, run).pytest_terminal_summary(paper)
        return paper.lines

    return table


def test_a_headline_with_a_refuted_claim_is_refuted(shown, tmp_path):
    """The terminal begins with the headline, and the report names the claim that decides."""
    report = written(tmp_path / "r", SUPPORTED, REFUTED, headlines=headline_findings([SUPPORTED, REFUTED], PAIR))

    assert shown(SUPPORTED, REFUTED)[:5] == [
        "verdicts",
        "✗ REFUTED        headline 1  All <win>.",
        "                 9.9a SUPPORTED, 9.9b REFUTED; 9.9b decides; Holm p = 1",
        "✓ SUPPORTED      9.9a  headline 1  0.800 [0.700, 0.900]      claimed > 0.5            chance –       n = 20",
        "✗ REFUTED        9.9b  headline 1  0.200 [0.100, 0.300]      claimed > 0.5            chance –       n = 20",
    ]
    (entry,) = report.headlines
    assert (entry.verdict, entry.parts, entry.decisive, entry.p_holm) == (Verdict.REFUTED, ("9.9a", "9.9b"), "9.9b", 1)
    page = text_of(tmp_path / "r")
    assert "The headline is REFUTED on this model." in page
    assert "✗ REFUTED 1. All <win>. It fails at 9.9b: Numbers <win> & hold." in page
    assert "Claims: ✓SUPPORTED 9.9a ✗REFUTED 9.9b Holm p = 1" in page
    assert "0.200 [0.100, 0.300], claimed > 0.5, n = 20 pairs" in page


def test_a_headline_with_a_claim_that_does_not_apply_is_not_measured(shown, tmp_path):
    """It has the reason of that claim, and no p."""
    skipped = Finding(SECOND, Verdict.NOT_APPLICABLE, reason="nothing to repair")
    report = written(tmp_path / "r", SUPPORTED, skipped, headlines=headline_findings([SUPPORTED, skipped], PAIR))

    assert shown(SUPPORTED, skipped)[1:3] == [
        "– NOT APPLICABLE headline 1  All <win>.",
        "                 9.9a SUPPORTED, 9.9b NOT APPLICABLE; 9.9b: nothing to repair",
    ]
    (entry,) = report.headlines
    assert (entry.verdict, entry.decisive, entry.p_holm) == (Verdict.NOT_APPLICABLE, None, None)
    page = text_of(tmp_path / "r")
    assert "– NOT APPLICABLE 1. All <win>. 9.9b: nothing to repair" in page
    assert "Claims: ✓SUPPORTED 9.9a –NOT APPLICABLE 9.9b Not measured." in page


def test_a_headline_says_that_the_correction_decides(shown):
    """Nine of ten is p = 0.011 alone, and 0.054 as the only judged one of five headlines."""
    nine = found(statistics.share([1] * 9 + [0], range(10)))
    more = tuple(replace(CLAIM, id=f"8.{n}", headline=n) for n in range(2, 6))
    five = replace(THEORY, claims=(CLAIM, *more), headlines={n: f"Sentence {n}." for n in range(1, 6)})

    lines = shown(nine, theory=five)

    assert lines[1] == "? INCONCLUSIVE   headline 1  Sentence 1."
    assert lines[2].startswith(f"{'':17}9.9a SUPPORTED; 9.9a decides; Holm p = 0.054; ")
    assert lines[3].startswith("✓ SUPPORTED      9.9a  headline 1")
    assert not [line for line in lines if "Sentence 2" in line]


def test_a_headline_without_all_its_claims_is_not_shown(shown):
    """A run of some claims says nothing about a headline of more claims."""
    assert shown(SUPPORTED)[1].startswith("✓ SUPPORTED      9.9a  headline 1  0.800")


def test_a_run_without_verdicts_has_no_headlines():
    """Nothing was selected, so there is no theory."""
    assert Run(None, "pytest").headlines() == {}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_sentence_of_a_headline_fits_on_its_line(shown, width):
    """It is cut between two words. The sentence of a claim is shown in full while the run goes on."""
    long = "Every word of this sentence is short, " * 5
    claim = replace(CLAIM, statement=long)
    finding, paper = found(claim=claim), Paper()
    line = shown(finding, theory=replace(THEORY, claims=(claim,), headlines={1: long}), width=width)[1]

    assert line.startswith("✓ SUPPORTED      headline 1  Every word of this")
    assert line.endswith(" …")
    assert width - 12 < len(line) <= width

    config = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=lambda name: paper))
    ledger = Run(None, "pytest")
    ledger.theories = ("a_theory",)
    ClaimLines(config, ledger).pytest_runtest_logreport(SimpleNamespace(finding=finding, theory="a_theory"))
    assert paper.lines == [
        f"✓ SUPPORTED      9.9a  {long}",
        f"{'':17}0.800 [0.700, 0.900], claimed > 0.5, n = 20 pairs",
    ]


def test_a_verdict_says_how_many_choices_agree(shown, tmp_path):
    """Choices without a verdict do not count. A verdict is fragile if one choice gives the opposite."""
    report = written(tmp_path / "r", OPPOSED)

    assert shown(OPPOSED, theory=THEORY)[3].endswith("n = 20  1 of 3 choices agree, fragile")
    (claim,) = report.claims
    assert (claim.agreement.agreeing, claim.agreement.judged, claim.fragile) == (1, 3, True)
    page = text_of(tmp_path / "r")
    assert "✓ SUPPORTED fragile 9.9a · Numbers" in page
    assert "1 of 3 other analysis choices agree; fragile: a gives the opposite verdict." in page


def test_a_verdict_that_no_choice_opposes_is_not_fragile(shown, tmp_path):
    """An INCONCLUSIVE choice does not agree, but it is not the opposite."""
    steady = found(variants={"a": {"all": GOOD}, "b": {"all": OPEN}})
    report = written(tmp_path / "r", steady, SUPPORTED)

    assert shown(steady, theory=THEORY)[3].endswith("n = 20  1 of 2 choices agree")
    assert [claim.fragile for claim in report.claims] == [False, False]
    assert report.claims[1].agreement is None
    assert "fragile" not in text_of(tmp_path / "r")


def test_a_claim_has_the_rank_of_its_layer(shown, tmp_path):
    """Layer 1 fits the claim better than layer 2, the layer of interest."""
    measured = found(by_layer=BY_LAYER)
    report = written(tmp_path / "r", measured, layer=2)

    assert shown(measured, theory=THEORY)[4].strip() == "layer 2 ranks 2 of 5; 2 layers meet the claim"
    layers = report.claims[0].layers
    assert (layers.layer, layers.rank, layers.meeting, layers.values) == (2, 2, (1, 2), BY_LAYER)
    page = text_of(tmp_path / "r")
    assert "Layer 2 ranks 2 of 5; 2 layers meet the claim." in page
    assert "layer 2, the layer of interest 0.800 meets the claim layer 3 0.400 " in page


def test_a_claim_that_half_of_the_layers_meet_says_so():
    """Then it is not special to the layer of interest."""
    assert words.layers(10, 9, 16, 32) == "layer 10 ranks 9 of 32; 16 layers meet the claim, half of them or more"
    assert words.layers(10, 1, 1, 32) == "layer 10 ranks 1 of 32; 1 layer meets the claim"
    assert words.layers(10, 3, 0, 32) == "layer 10 ranks 3 of 32; no layers meet the claim"


def test_layers_need_a_finite_value_only_where_the_verdict_is(tmp_path):
    """A censored value at another layer is null, and the report is still written."""
    report = written(tmp_path / "r", found(by_layer={0: float("inf"), 1: 0.8}), layer=1)

    assert report.claims[0].layers.values == {0: None, 1: 0.8}
    assert "layer 0 – meets the claim layer 1, the layer of interest 0.800" in text_of(tmp_path / "r")


@pytest.mark.parametrize("layer", [None, 7])
def test_an_unknown_layer_has_no_rank(shown, layer):
    """The claim is shown without the line on layers."""
    assert len(shown(found(by_layer=BY_LAYER), theory=THEORY, layer=layer)) == 4


@pytest.fixture
def checked(monkeypatch):
    """Returns a function that gives the problems of a report on a theory of two claims, which are both true."""
    monkeypatch.setattr(check_report, "theories", lambda: {"a_theory": PAIR})
    truth = GroundTruth({"true": "", "false": ""}, {"9.9a": expect(), "9.9b": expect(refuted=["false"])})
    monkeypatch.setattr(check_report, "truth_of", {"a_theory": truth}.get)

    def problems(*findings, headlines=None, **changed):
        made = headline_findings(findings, PAIR) if headlines is None else headlines
        return check_report.problems(report_of(*findings, headlines=made, **changed))

    return problems


def test_the_check_of_a_report_wants_the_headlines(checked):
    """Each headline of the theory must be there, with all its claims."""
    both = [SUPPORTED, replace(SUPPORTED, claim=SECOND)]
    (headline,) = headline_findings(both, PAIR)

    assert checked(*both) == []
    assert checked(*both, headlines=()) == ["the headlines are [] instead of [1]"]
    assert checked(*both, headlines=(replace(headline, parts=headline.parts[:1]),)) == [
        "headline 1 has the claims ['9.9a'] instead of ['9.9a', '9.9b']"
    ]
    assert checked(SUPPORTED, headlines=(headline,))[0] == "9.9b has no verdict"
    assert checked(*both, complete=False) == ["the run is incomplete"]


def test_the_check_of_a_report_wants_every_theory(checked, monkeypatch):
    """A run of one of two theories is incomplete, and a claim of one theory is none of another."""
    both = [SUPPORTED, replace(SUPPORTED, claim=SECOND)]
    monkeypatch.setattr(check_report, "theories", lambda: {"known": KNOWN, "a_theory": PAIR})
    monkeypatch.setattr(check_report, "truth_of", lambda folder: GroundTruth({}, {}))

    assert checked(*both) == [
        "the theories are ['a_theory'] instead of ['known', 'a_theory']",
        *(f"K{n} has no verdict" for n in range(1, 5)),
    ]


@pytest.mark.parametrize(
    ("second", "verdict", "p", "right"),
    [
        (SUPPORTED, Verdict.SUPPORTED, 0.01, True),
        (SUPPORTED, Verdict.SUPPORTED, 0.2, False),
        (SUPPORTED, Verdict.SUPPORTED, None, False),
        (SUPPORTED, Verdict.INCONCLUSIVE, 0.2, True),
        (SUPPORTED, Verdict.INCONCLUSIVE, 0.01, False),
        (SUPPORTED, Verdict.REFUTED, 1.0, False),
        (REFUTED, Verdict.REFUTED, 1.0, True),
        (REFUTED, Verdict.SUPPORTED, 0.01, False),
        (REFUTED, Verdict.NOT_APPLICABLE, None, False),
        (found(OPEN, theory=PAIR), Verdict.SUPPORTED, 0.01, False),
        (Finding(SECOND, Verdict.NOT_APPLICABLE), Verdict.NOT_APPLICABLE, None, True),
        (Finding(SECOND, Verdict.NOT_APPLICABLE), Verdict.SUPPORTED, 0.01, False),
    ],
)
def test_the_check_of_a_report_compares_a_headline_with_its_claims(second, verdict, p, right, checked):
    """A headline that contradicts its claims is a problem."""
    both = [SUPPORTED, replace(second, claim=SECOND)]
    (headline,) = headline_findings(both, PAIR)

    assert (checked(*both, headlines=(replace(headline, verdict=verdict, p=p),)) == []) is right


def test_the_check_of_a_report_knows_the_truth(checked):
    """On a model of known truth, a wrong verdict on a claim is a problem."""
    assert checked(SUPPORTED, REFUTED, options=options("false")) == []
    assert checked(SUPPORTED, REFUTED, options=options("true")) == ["9.9b is REFUTED, which is wrong on true"]


def options(model):
    return report_of(SUPPORTED).options.model_copy(update={"model": model})
