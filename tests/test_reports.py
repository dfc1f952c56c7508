from __future__ import annotations

import json
import math

import pandas as pd
import pytest
from matplotlib.figure import Figure
from pydantic import ValidationError
from sample_reports import BAD, CLAIM, GOOD, OPEN, THEORY, entry, found, options, report_of, text_of, written

from referee.errors import SelfCheckFailed, UnwritableFolder
from referee.judging.evidence import Chance, Drawing
from referee.judging.findings import Finding, headline_findings
from referee.judging.statistics import Estimate
from referee.judging.verdict import Verdict
from reports import document, folder, models, page
from reports.tables import Table


def written_once(place):
    """Writes a report with one claim. Returns the path of its page."""
    return document.write(place, report_of(found()), [found()])


def figure():
    drawn = Figure()
    drawn.subplots().plot([0, 1])
    return drawn


def test_a_report_without_figures_has_everything_else(tmp_path):
    """The option --no-figures saves the time of drawing. The table behind the figure stays."""
    finding = found(drawing=Drawing(lambda: 1 / 0, "never drawn"), data=pd.DataFrame({"x": [1]}))

    document.write(tmp_path / "r", report_of(finding), [finding], figures=False)

    entry = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))["claims"][0]
    assert (entry["figure"], entry["data"], entry["notes"]) == (None, "data/9.9a.csv", [])


def test_a_supported_claim_that_chance_explains_is_inconclusive():
    """A claim beyond its threshold must also beat chance."""
    lucky = found(against=(Chance("random groups", 0.9, p=0.4, veto=True),))
    real = found(against=(Chance("random groups", 0.7, p=0.01, veto=True),))

    assert (lucky.verdict, real.verdict) == (Verdict.INCONCLUSIVE, Verdict.SUPPORTED)
    assert lucky.reason == "not distinguished from chance: p = 0.400 against random groups"


def test_chance_without_a_veto_is_only_shown():
    """A world in which the cause may be present does not prevent support, however large its p is."""
    shown = found(against=(Chance("random groups", 0.9, p=0.9),))

    assert shown.verdict is Verdict.SUPPORTED


def test_a_rival_that_explains_the_finding_prevents_support(tmp_path):
    """The reason names the rival, and so does the page."""
    rival = found(against=(Chance("every fourth", 0.8, explains=True),))
    written(tmp_path / "latest", rival)

    assert rival.verdict is Verdict.INCONCLUSIVE
    assert "every fourth" in rival.reason
    assert "every fourth 0.800 explains it as well" in text_of(tmp_path / "latest")


def test_chance_does_not_soften_a_refutation():
    """A claim on the wrong side of its threshold stays REFUTED."""
    assert found(BAD, against=(Chance("r", 0.9, 0.4, True),)).verdict is Verdict.REFUTED


def test_an_inconclusive_claim_says_what_would_settle_it():
    """The reason has the n that settles the claim if the estimate stays the same."""
    assert found(OPEN).reason == "about 80 pairs would settle the interval"


def test_the_line_holds_everything_that_decides():
    """The line has the part, the estimate, its interval, the criterion, n and the chance value."""
    finding = found({"A": GOOD, "B": BAD}, against=(Chance("coin", 0.5),))

    assert finding.line == "B: 0.200 [0.100, 0.300], claimed > 0.5, n = 20 pairs; chance 0.500 (coin)"


def test_variants_of_another_unit_have_no_verdict():
    """A ratio cannot be compared with a threshold for shares."""
    finding = found(variants={"a": {"all": BAD}, "b": {"all": BAD}}, incomparable=("b",))

    assert [v.verdict for v in finding.variants] == [Verdict.REFUTED, None]


def test_a_report_is_valid_and_self_contained(tmp_path):
    """The JSON fits its schema, the page has no references outside, and the figure and the data are beside it."""
    finding = found(drawing=Drawing(figure, "a line"), data=pd.DataFrame({"x": [1]}))
    skipped = Finding(CLAIM, Verdict.NOT_APPLICABLE, reason="nothing to repair")

    report = written(tmp_path / "latest", finding, skipped)

    html = (tmp_path / "latest" / "index.html").read_text()
    assert [claim.verdict.value for claim in report.claims] == ["SUPPORTED", "NOT APPLICABLE"]
    assert "http:" not in html
    assert "https:" not in html
    assert 'src="data:image/svg+xml;base64,' in html
    assert 'alt="a line"' in html
    drawn = (tmp_path / "latest" / report.claims[0].figure.file).read_text()
    assert "<svg" in drawn
    assert "<dc:date>" not in drawn
    assert (tmp_path / "latest" / report.claims[0].data).read_text() == "x\n1\n"


def failing():
    raise ValueError("no rows")


@pytest.mark.parametrize(
    ("drawing", "why"),
    [(Drawing(failing, "a line"), "ValueError: no rows"), (Drawing(figure, ""), "ValidationError")],
)
def test_a_figure_that_cannot_be_drawn_costs_only_the_figure(drawing, why, tmp_path):
    """The report has the verdict, the other notes and the data."""
    finding = found(drawing=drawing, notes=("A note.",), data=pd.DataFrame({"x": [1]}))

    (claim,) = written(tmp_path / "latest", finding).claims

    assert (claim.verdict, claim.figure, claim.data) == (Verdict.SUPPORTED, None, "data/9.9a.csv")
    assert claim.notes[0] == "A note."
    assert claim.notes[1].startswith(f"The figure could not be drawn: {why}")
    assert "The figure could not be drawn" in (tmp_path / "latest" / "index.html").read_text()
    assert not (tmp_path / "latest" / "figures").exists()


def test_a_figure_is_drawn_when_the_report_is_written(tmp_path):
    """Judging draws nothing."""
    drawn = []
    finding = found(drawing=Drawing(lambda: drawn.append(1) or figure(), "a line"))
    assert entry(finding).figure is None
    assert drawn == []

    written(tmp_path / "latest", finding)

    assert drawn == [1]


def test_text_is_escaped(tmp_path):
    """A statement is text, not markup."""
    written(tmp_path / "latest", found())

    assert "Numbers &lt;win&gt; &amp; hold." in (tmp_path / "latest" / "index.html").read_text()


def test_file_names_need_not_be_utf8(tmp_path):
    """Other bytes are written as escapes, in the report and on the page."""
    named = options(model="m\udcff")

    report = written(tmp_path / "latest", found(), options=named, command="pytest --model m\udcff")

    assert (report.options.model, report.command) == (r"m\udcff", r"pytest --model m\udcff")
    assert r" on m\udcff " in text_of(tmp_path / "latest")


def test_the_page_uses_the_words_of_the_theory(tmp_path):
    """The page has the unit, the strata and the tables of the theory."""
    table = Table("Answers", ("Order", "Right", "n"), (("first", 1.0, 1), ("second", 0.25, 40)))
    finding = found(by_stratum={"first": {"all": GOOD}})
    subject = models.Subject(name="tiny", revision="x", layer=1, n_layers=3, n_heads=4, n_kv_heads=2, dtype="float32",
                             device="cpu", fingerprint="x")  # fmt: skip
    written(tmp_path / "latest", finding, subject=subject, tables=(models.Table.model_validate(table),))

    page = text_of(tmp_path / "latest")
    for text in (
        "n = 20 pairs.",
        "By order of the numbers",
        "Answers Order Right n first 100 % 1 second 25 % 40",
    ):
        assert text in page


def test_the_model_of_the_report_is_strict():
    """It refuses unknown fields, missing fields, shares above 1, and numbers that JSON does not have."""
    headlines = headline_findings([found()], THEORY)
    valid = json.loads(report_of(found(), headlines=headlines).model_dump_json())
    assert models.Report.model_validate(valid).claims[0].estimate.value == 0.8

    claim, headline = valid["claims"][0], valid["headlines"][0]
    for wrong in (
        valid | {"behaviour": []},
        {name: value for name, value in valid.items() if name != "complete"},
        valid | {"schema_version": 9},
        valid | {"headlines": [headline | {"p_holm": 1.5}]},
        valid | {"headlines": [headline | {"parts": None}]},
        valid | {"claims": [claim | {"p_holm": 0.5}]},
        valid | {"claims": [claim | {"estimate": claim["estimate"] | {"value": math.nan}}]},
        valid | {"claims": [claim | {"verdict": "TRUE"}]},
    ):
        with pytest.raises(ValidationError):
            models.Report.model_validate(wrong)


def test_the_worst_comes_first(tmp_path):
    """Errors come first, then refutations. Support comes last."""
    written(tmp_path / "latest", found(GOOD), found(BAD), Finding(CLAIM, Verdict.ERROR, reason="lost"))

    html = (tmp_path / "latest" / "index.html").read_text()
    places = [html.index(f'<article id="9.9a" class="{v}"') for v in ("error", "refuted", "supported")]
    assert places == sorted(places)


def test_a_failed_write_leaves_the_report_before_it(tmp_path, monkeypatch):
    """A report is replaced as a whole or not at all, and no temporary files remain."""
    written(tmp_path / "latest", found())
    before = (tmp_path / "latest" / "report.json").read_text()

    monkeypatch.setattr(page, "render", lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        written_once(tmp_path / "latest")

    assert (tmp_path / "latest" / "report.json").read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["latest"]


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    """--report replaces reports, but no files of other programs."""
    written(tmp_path / "latest", found())
    folder.require_replaceable(tmp_path / "latest")
    (tmp_path / "latest" / "thesis.tex").write_text("")

    with pytest.raises(UnwritableFolder, match=r"only an unchanged report; got .*thesis.tex"):
        folder.require_replaceable(tmp_path / "latest")


def test_a_report_is_written_through_a_link(tmp_path):
    """reports/latest may be a link to another folder."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "disk")

    written(tmp_path / "latest", found())

    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "disk" / "report.json").exists()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_estimate_that_is_no_number_is_a_fault_of_its_claim(bad):
    """The error names the claim, and the report still has the verdicts of the other claims."""
    with pytest.raises(SelfCheckFailed, match=r"Every estimate must be finite; got .*claim 9.9a"):
        found(Estimate(bad, 0.7, 0.9, 3))


def test_a_variant_of_few_pairs_has_no_verdict():
    """The interval of one pair would refute or support any claim."""
    few = Estimate(0.1, 0.1, 0.1, 1)

    finding = found(variants={"few": {"all": few}})

    assert finding.variants[0].verdict is None
