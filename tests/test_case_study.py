"""The case study of the published method: what it measures on a subject, and where a published figure is reproduced."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from runs import run

from claims.competition.as_published import case_study, published, tables
from claims.competition.as_published.methods import AS_PUBLISHED, OF_DOCUMENT
from claims.competition.as_published.published import Figure
from claims.competition.prompts import QA, SIMPLE
from claims.competition.theory import BUG_OF_FORMAT, EIGHT_HEADS, ONLY_EVEN_HEADS, OTHER_LAYERS_IDLE, SIXTY_PERCENT
from conftest import built
from referee.measuring.session import Session


@pytest.fixture
def on_document(monkeypatch):
    """Takes Simple and Q&A for the published prompts, because the planted model has no bug on the published ones."""
    monkeypatch.setattr(tables, "OF_SCRIPTS", OF_DOCUMENT)


@pytest.fixture(scope="module")
def study():
    """Returns the study of the planted model on Simple and Q&A alone, with every deviation, and at no other layer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case_study, "prompts_of", lambda formats: [OF_DOCUMENT])
        return case_study.case_study(Session(built()), [SIMPLE, QA], [])


def test_both_methods_are_shown_side_by_side(study):
    """On the planted model eight even heads repair, and so does 57 % of the pattern. As published nothing repairs."""
    rows = {claim: cells for claim, *cells in tables.claim_by_claim(study, OF_DOCUMENT, {"4.2": "SUPPORTED"}).rows}

    assert rows["4.2"][:3] == ["SUPPORTED", "8 to 16 of 16 repair", "none of 16 repair"]
    assert rows["4.1a"][:3] == ["–", "turns at 57%", "turns at no share"]
    assert rows["4.2b"][1:3] == ["no number of odd ones repairs, a mixed half does not"] * 2
    assert rows["C4"][1:3] == ["no other layer that was tried repairs"] * 2
    assert rows["4.2"][4] == "blocks after W_O instead of heads, left alignment, also while decoding"
    assert rows["4.2"][5] == "none"


def test_the_table_says_that_only_one_prompt_has_the_bug(study):
    """If too few pairs have the bug for a verdict, only the published pair shows anything about the repair."""
    titles = [tables.claim_by_claim(study, OF_DOCUMENT, {"4.1a": v}).title for v in ("NOT APPLICABLE", "REFUTED")]

    assert [title.endswith("so only this prompt shows anything about it") for title in titles] == [True, False]


def test_a_measured_figure_is_compared_with_a_published_one(monkeypatch, on_document, study):
    """The table has both numbers, and says REPRODUCED only if they are equal. No layer was tried, so none is."""
    values = {
        BUG_OF_FORMAT: (published.BUG, "right in the donor, wrong in the recipient"),
        SIXTY_PERCENT: (published.SHARE, "60 %"),
        EIGHT_HEADS: (published.COUNTS, "8 of 16 repair, 7 do not"),
        ONLY_EVEN_HEADS: (published.ODD, "no number of odd blocks repairs"),
        OTHER_LAYERS_IDLE: (published.LAYERS, "no other layer repairs"),
    }
    figures = tuple(Figure(claim, "planted", *found, "nowhere") for claim, found in values.items())
    monkeypatch.setattr(published, "FIGURES", figures)

    found = {claim: cells for claim, *cells in tables.reproductions(study, "planted").rows}

    assert found["B1"][1:] == ["right in the donor, wrong in the recipient", "REPRODUCED"]
    assert found["4.1a"] == ["60 % (planted, nowhere)", "no share", "NOT REPRODUCED"]
    assert found["4.2"][1:] == ["none of 16", "NOT REPRODUCED"]
    assert found["4.2b"][1:] == ["no number of odd blocks repairs", "REPRODUCED"]
    assert found["C4"][1:] == ["–", "– (another subject or measure)"]


def test_a_repair_at_the_published_numbers_is_reproduced(on_document, study):
    """The words of a measured repair are those of the published figures, so that equal numbers are equal words."""
    case = (AS_PUBLISHED, OF_DOCUMENT.name)
    repaired = replace(study.found[case], crossing_share=0.6, repairing=tuple(range(8, 17)))

    measured = tables.measured_figures(replace(study, every_layer=True, found={case: repaired}))

    of_llama = [figure for figure in published.FIGURES if figure.measure]
    assert {figure.measure for figure in of_llama} == set(measured)
    assert {figure.compared(f"meta-llama/{published.LLAMA}", measured) for figure in of_llama} == {"REPRODUCED"}


def test_a_run_says_whether_a_figure_is_reproduced(monkeypatch, llama_folder, tmp_path):
    """A run on the subject of two published figures shows both numbers of each, and quotes the trial of the method.

    The subject has random weights and writes no answer.
    """
    measured, other = "neither in the donor, neither in the recipient", "right in the donor, wrong in the recipient"
    figures = [Figure(BUG_OF_FORMAT, llama_folder.name, published.BUG, value, "nowhere") for value in (measured, other)]
    monkeypatch.setattr(published, "FIGURES", tuple(figures))

    done = run(f"--model={llama_folder}", "-k", "published", "--report", str(tmp_path / "report"), "--no-figures")

    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    rows = next(table["rows"] for table in report["tables"] if table["title"] == "Published figures")
    assert [row[2:] for row in rows] == [[measured, "REPRODUCED"], [measured, "NOT REPRODUCED"]], done.output
    assert "The published method on trial on 26 models of known truth" in {table["title"] for table in report["tables"]}
    assert "4.2: The published method calls this claim SUPPORTED on" in done.output
