"""The page of a report, without a browser: small scales, sentences, and the order of the experiments."""

from __future__ import annotations

import pytest
from sample_pages import DOT, FINDINGS, OF_THEORY, WHOLE, everything, hostile
from sample_reports import CLAIM, entry, found, report_of, text_of

from referee.judging.evidence import Chance
from referee.judging.findings import headline_findings
from referee.judging.statistics import Estimate
from referee.judging.verdict import Verdict, above, below, within
from reports import document, page
from reports.ordering import experiments
from reports.scales import LEFT, RIGHT, axis, scale


@pytest.mark.parametrize(
    ("marks", "bounds", "ends"),
    [
        ([0.04, 0.4], [0.4], (0, 1)),  # a share
        ([0.04, 0.02, 0.0], [0.0], (-0.01, 0.05)),  # a difference of shares
        ([-0.25, -0.37, -0.15, 0.0], [0.0], (-0.4, 0.1)),  # logits below zero
        ([7.2, 6.9, 7.4, 0.0], [0.0], (-2, 8)),
        ([1.4, 0.4], [0.4], (-0.2, 1.6)),  # no share, because a mark lies above 1
        ([-1.0, -1.0, 0.0], [0.0], (-1.2, 0.2)),  # a correlation
        ([0.0, 0.0], [0.0], (-1, 1)),
        ([1.2e6, 0.0], [0.0], (-2e5, 1.4e6)),
    ],
)
def test_the_axis_fits_the_unit(marks, bounds, ends):
    """A share has the axis from 0 to 1. Other axes show zero and all marks, and end at round numbers."""
    assert axis(marks, bounds) == ends


def drawn(estimate=None, criterion=None, against=()):
    """Returns the scale of a finding on one estimate."""
    claim = CLAIM if criterion is None else CLAIM.__class__(**{**vars(CLAIM), "criterion": criterion})
    return scale(entry(found(estimate or Estimate(0.8, 0.7, 0.9, 20), claim=claim, against=against)))


def test_marks_are_in_proportion():
    """Neither a rival that explains the finding nor a comparison that is only listed is chance."""
    rival, other = Chance("every fourth", 0.9, explains=True), Chance("other heads", 0.1, only_listed=True)
    found = drawn(against=(rival, other, Chance("coin", None), Chance("die", 0.25)))

    def share(x):
        return round((x - LEFT) / (RIGHT - LEFT), 3)

    assert [share(found.value), *map(share, found.interval)] == [0.8, 0.7, 0.9]
    assert list(map(share, found.claimed)) == [0.5, 1]
    assert list(map(share, found.thresholds)) == [0.5]
    assert share(found.chance) == 0.25


def test_an_open_range_ends_with_the_axis():
    """A range with two bounds lies between them."""
    assert drawn(criterion=below(0.5)).claimed == (LEFT, (LEFT + RIGHT) / 2)
    assert drawn(criterion=within(0.25, 0.5)).claimed == (LEFT + (RIGHT - LEFT) / 4, (LEFT + RIGHT) / 2)


def test_labels_do_not_overlap():
    """The bounds of the claimed range come first, then the ends of the axis, then zero."""
    assert [(t.label, t.anchor, t.threshold) for t in drawn().ticks] == [
        ("0", "start", False),
        ("0.5", "middle", True),
        ("1", "end", False),
    ]
    assert [tick.label for tick in drawn(criterion=above(0.95)).ticks] == ["0", "0.95"]
    assert [tick.label for tick in drawn(criterion=within(0.55, 0.65)).ticks] == ["0", "0.55", "1"]
    assert [tick.label for tick in drawn(Estimate(8.0, 7.0, 9.0, 20), above(5)).ticks] == ["-2", "0", "5", "10"]


def test_one_sentence_counts_the_headlines():
    """Equal verdicts are not listed one by one."""

    def of(*verdicts):
        (one,) = document_headlines()
        return page.in_short([one.model_copy(update={"verdict": verdict}) for verdict in verdicts])

    refuted, unclear = Verdict.REFUTED, Verdict.INCONCLUSIVE
    assert of(refuted) == "The headline is REFUTED on this model."
    assert of(refuted, refuted) == "All 2 headlines are REFUTED on this model."
    assert of(Verdict.ERROR, Verdict.ERROR) == "None of the 2 headlines could be judged on this model."
    assert of(unclear, refuted, refuted) == "Of 3 headlines, 2 are REFUTED and 1 is INCONCLUSIVE on this model."


def document_headlines():
    """Returns the headlines of the sample as report.json has them."""
    findings = [finding for some in FINDINGS.values() for finding in some]
    return [document.headline(headline, OF_THEORY.folder) for headline in headline_findings(findings, WHOLE)]


def test_claims_are_grouped_by_experiment():
    """The name of an experiment is that of its folder. The experiment with the worst claim comes first."""
    report = everything()

    groups = experiments(report, report.theories[1])

    assert [(group.title, [claim.id for claim in group.claims]) for group in groups] == [
        ("First look", ["9.9a", "9.9b", "C1"]),
        ("Coins and dice", ["8.1", "8.2", "9.9c"]),
    ]
    assert [[control.id for control in group.controls] for group in groups] == [["C1"], []]


def test_a_claim_has_everything_that_a_reviewer_asks_for(tmp_path):
    """Its source, published figure, controls, error rates beside their target, and the command that judges it again."""
    (tmp_path / "index.html").write_text(page.html(everything()), encoding="utf-8")
    text = text_of(tmp_path)

    for part in (
        "post-hoc The run differs from its registration",
        "Measured: share of wins (left): 0.200 [0.100, 0.300], claimed > 0.5, n = 20 pairs; chance 0.500 (coin).",
        "1 of 2 other analysis choices agree; fragile: last row gives the opposite verdict.",
        "Counterexample: 9.8 or 9.11: wrong Q: (format) 9 (numbers)",
        "Source nobody Published somebody: 0.9 Controls ✓SUPPORTED C1 Nothing happens.",
        "8 of 9 verdicts were right, on 3 models. Where the claim is false, 1 of 5 were SUPPORTED. ",
        "Wrongly SUPPORTED in 2.0% of 50 and wrongly REFUTED in 0.0% of 50 (target: at most 5 %)",
        "All numbers: parts, strata, comparisons, other analysis choices, layers",
        "pytest claims/ Copy the command for 9.9a",
        "Self-checks of the instrument on this model: 1 of 1 passed",
    ):
        assert part in text
    assert f'<img src="{DOT}" alt="nothing to see"' in page.html(everything())
    assert '<a download="9.9a.csv.gz" href="data:application/gzip;base64,H4s=">' in page.html(everything())


def test_an_incomplete_run_says_so():
    """Then the claims that were not judged are missing."""
    assert "! incomplete run" in page.html(report_of(found(), complete=False))
    assert "! incomplete run" not in page.html(report_of(found()))


def test_equal_reports_give_equal_pages():
    """The page depends on nothing but the report."""
    assert page.html(everything(created="2026")) == page.html(everything(created="2026"))


def test_markup_in_a_text_is_escaped():
    """The only scripts of the page are its own: one of the page, one of the token view, and the data of the view."""
    assert page.html(hostile()).count("<script") == page.html(everything()).count("<script") == 3


def test_the_first_screen_says_what_the_theory_claims():
    """The summary of the theory on trial comes before the verdicts on its headlines.

    After it, the page says whether the model shows what the theory explains.
    """
    text = page.html(everything())

    phenomenon = text.index('<p class="theory">This model has &lt;numbers&gt;.</p>')
    assert text.index("Numbers win.") < phenomenon < text.index("Headlines")


def test_the_first_screen_of_a_run_without_the_search_says_nothing_about_the_model():
    """A run of few claims may not measure whether the model shows what the theory explains."""
    report = everything()
    theories = tuple(theory.model_copy(update={"phenomenon": None}) for theory in report.theories)

    text = page.html(report.model_copy(update={"theories": theories}))

    assert text.count('<p class="theory">') == 1
