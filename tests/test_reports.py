from __future__ import annotations

import json
import math

import jsonschema
import pandas as pd
import pytest
from matplotlib.figure import Figure

from claims.competition import figures
from claims.competition.theory import Claim
from referee.errors import SelfCheckFailed, UnwritableFolder
from referee.judging.findings import Chance, Finding, judged
from referee.judging.statistics import Estimate
from referee.judging.verdict import Verdict, above
from reports import document, folder, page

CLAIM = Claim("9.9a", "Numbers <win> & hold.", "share of wins", above(0.5), "nobody", headline=1)
GOOD, BAD, OPEN = Estimate(0.8, 0.7, 0.9, 20), Estimate(0.2, 0.1, 0.3, 20), Estimate(0.625, 0.375, 0.875, 20)
RUN = {
    "theory": {"name": "A theory", "digest": "abc"},
    "subject": None,
    "options": {"profile": "quick", "seed": 0, "pairs": 20, "model": "tiny"},
    "complete": True,
    "command": "pytest claims/",
    "seconds": 1.0,
    "environment": {"python": "3", "platform": "x", "packages": {}, "git": None},
    "self_checks": [],
    "margins": None,
    "behaviour": [],
}


def entry(finding):
    return document.entry(finding, test="claims/test_x.py::test_x", seconds=0.1, command="pytest claims/")


def written(place, *findings):
    document.write(place, RUN, [entry(f) for f in findings], findings)
    report = json.loads((place / "report.json").read_text())
    jsonschema.validate(report, json.loads(document.SCHEMA.read_text()))
    return report


def written_once(place):
    """The page of a report with one claim."""
    finding = judged(CLAIM, parts={"all": GOOD}, max_p=0.05)
    return document.write(place, RUN, [entry(finding)], [finding])


def figure():
    drawn = Figure()
    drawn.subplots().plot([0, 1])
    return drawn


def test_a_supported_claim_that_chance_explains_is_inconclusive():
    """Parity must beat random groups of heads, whatever the threshold says."""
    lucky = judged(CLAIM, parts={"all": GOOD}, max_p=0.05, chance=(Chance("random groups", 0.9, p=0.4, veto=True),))
    real = judged(CLAIM, parts={"all": GOOD}, max_p=0.05, chance=(Chance("random groups", 0.7, p=0.01, veto=True),))

    assert (lucky.verdict, real.verdict) == (Verdict.INCONCLUSIVE, Verdict.SUPPORTED)
    assert lucky.reason == "not told from chance: p = 0.400 against random groups"


def test_chance_does_not_soften_a_refutation():
    """What lies on the wrong side stays refuted."""
    assert (
        judged(CLAIM, parts={"all": BAD}, max_p=0.05, chance=(Chance("r", 0.9, 0.4, True),)).verdict is Verdict.REFUTED
    )


def test_an_inconclusive_claim_says_what_would_settle_it():
    """The n that would, were the estimate to stay."""
    assert judged(CLAIM, parts={"all": OPEN}, max_p=0.05).reason == "about 80 pairs would settle it"


def test_the_line_holds_everything_that_decides():
    """Part, estimate, interval, criterion, n and chance."""
    finding = judged(CLAIM, parts={"A": GOOD, "B": BAD}, max_p=0.05, chance=(Chance("coin", 0.5),))

    assert finding.line == "B: 0.200 [0.100, 0.300], claimed > 0.5, n = 20 pairs; chance 0.500 (coin)"


def test_variants_of_another_unit_have_no_verdict():
    """A ratio cannot be held against a threshold for shares."""
    finding = judged(
        CLAIM, parts={"all": GOOD}, max_p=0.05, variants={"a": {"all": BAD}, "b": {"all": BAD}}, incomparable=["b"]
    )

    assert [v.verdict for v in finding.variants] == [Verdict.REFUTED, None]


def test_a_report_is_valid_and_self_contained(tmp_path):
    """JSON by its schema; a page without references outside; figure and data beside it."""
    finding = judged(
        CLAIM, parts={"all": GOOD}, max_p=0.05, figure=figure(), alt="a line", data=pd.DataFrame({"x": [1]})
    )
    skipped = Finding(CLAIM, Verdict.NOT_APPLICABLE, reason="nothing to repair")

    report = written(tmp_path / "latest", finding, skipped)

    html = (tmp_path / "latest" / "index.html").read_text()
    assert [claim["verdict"] for claim in report["claims"]] == ["SUPPORTED", "NOT APPLICABLE"]
    assert "http" not in html
    assert 'src="data:image/svg+xml;base64,' in html
    assert 'alt="a line"' in html
    assert (tmp_path / "latest" / report["claims"][0]["figure"]["file"]).exists()
    assert (tmp_path / "latest" / report["claims"][0]["data"]).read_text() == "x\n1\n"


def test_text_is_escaped(tmp_path):
    """A statement is text, not markup."""
    written(tmp_path / "latest", judged(CLAIM, parts={"all": GOOD}, max_p=0.05))

    assert "Numbers &lt;win&gt; &amp; hold." in (tmp_path / "latest" / "index.html").read_text()


def test_the_worst_comes_first(tmp_path):
    """Errors, then refutations; support last."""
    findings = [judged(CLAIM, parts={"all": e}, max_p=0.05) for e in (GOOD, BAD)]
    written(tmp_path / "latest", *findings, Finding(CLAIM, Verdict.ERROR, reason="lost"))

    html = (tmp_path / "latest" / "index.html").read_text()
    places = [html.index(f'<article id="9.9a" class="{v}"') for v in ("error", "refuted", "supported")]
    assert places == sorted(places)


def test_a_failed_write_leaves_the_report_before_it(tmp_path, monkeypatch):
    """Whole or not at all, and no leftovers."""
    finding = judged(CLAIM, parts={"all": GOOD}, max_p=0.05)
    written(tmp_path / "latest", finding)
    before = (tmp_path / "latest" / "report.json").read_text()

    monkeypatch.setattr(page, "render", lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        document.write(tmp_path / "latest", RUN, [entry(finding)], [finding])

    assert (tmp_path / "latest" / "report.json").read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["latest"]


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    """--report replaces reports, not somebody's work."""
    written(tmp_path / "latest", judged(CLAIM, parts={"all": GOOD}, max_p=0.05))
    folder.require_replaceable(tmp_path / "latest")
    (tmp_path / "latest" / "thesis.tex").write_text("")

    with pytest.raises(UnwritableFolder, match=r"only an unchanged report; got .*thesis.tex"):
        folder.require_replaceable(tmp_path / "latest")


def test_a_report_is_written_through_a_link(tmp_path):
    """reports/latest may point elsewhere."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "disk")

    written(tmp_path / "latest", judged(CLAIM, parts={"all": GOOD}, max_p=0.05))

    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "disk" / "report.json").exists()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_estimate_that_is_no_number_is_a_fault_of_its_claim(bad):
    """Not of the report, which holds the other claims' verdicts."""
    with pytest.raises(SelfCheckFailed, match=r"Every estimate must be finite; got .*claim 9.9a"):
        judged(CLAIM, parts={"all": Estimate(bad, 0.7, 0.9, 3)}, max_p=0.05)


def test_a_variant_of_few_pairs_has_no_verdict():
    """One pair would refute or support anything."""
    few = Estimate(0.1, 0.1, 0.1, 1)

    finding = judged(CLAIM, parts={"all": GOOD}, max_p=0.05, min_n=10, variants={"few": {"all": few}})

    assert finding.variants[0].verdict is None


def test_the_scale_places_marks_in_percent():
    """An axis from 0 to 1 unless something lies beyond."""
    scale = page.scale(entry(judged(CLAIM, parts={"all": GOOD}, max_p=0.05, chance=(Chance("coin", 0.5),))))

    assert scale == {
        "axis_low": 0.0, "axis_high": 1.0, "low": 70.0, "high": 90.0, "value": 80.0,
        "claimed_low": 50.0, "claimed_high": 100.0, "chance": 50.0,
    }  # fmt: skip


def test_the_bandwidth_figure_shows_thresholds_and_intervals():
    """Two panels, a threshold line, the uniform baseline and n."""
    shares = pd.DataFrame(
        [(g, f, c, 0.3) for g in ("even", "odd") for f in ("Simple", "Q&A") for c in ("numerical", "format", "other")],
        columns=["group", "format", "category", "share"],
    )
    bounds = pd.DataFrame([(g, f, 0.2, 0.4) for g in ("even", "odd") for f in ("Simple", "Q&A")],
                          columns=["group", "format", "low", "high"])  # fmt: skip

    drawn = figures.bandwidth_distribution(shares, bounds, {"Simple": 0.5, "Q&A": 0.2}, threshold=0.4, n=7)

    labels = {text.get_text() for text in drawn.legends[0].get_texts()}
    assert [ax.get_title() for ax in drawn.axes] == ["Even heads", "Odd heads"]
    assert {"40% threshold", "95 % interval", "numbers, uniform attention"} <= labels
    assert "n = 7 pairs" in drawn.get_suptitle()
    assert drawn.axes[0].get_ylabel() == "share of attention mass, all rows"
