"""`python -m reports`: rendering, and bad input."""

from __future__ import annotations

import json

import pytest
from matplotlib.figure import Figure
from sample_reports import THEORY, found, report_of, written

from referee.judging.evidence import Drawing
from referee.judging.findings import headline_findings
from reports.__main__ import main
from reports.models import SCHEMA_VERSION


def test_a_page_is_rendered_from_the_report_alone(tmp_path):
    """A copy of report.json without any other file gives the same bytes as the page of the run, each time."""
    written(tmp_path / "r", found(drawing=Drawing(Figure, "nothing")))
    (tmp_path / "alone.json").write_bytes((tmp_path / "r" / "report.json").read_bytes())

    pages = []
    for name in ("one.html", "two.html"):
        assert main(["render", str(tmp_path / "alone.json"), "-o", str(tmp_path / name)]) == 0
        pages.append((tmp_path / name).read_bytes())

    assert pages[0] == pages[1] == (tmp_path / "r" / "index.html").read_bytes()
    assert b'src="data:image/svg+xml;base64,' in pages[0]


def test_parts_that_do_not_fit_together_are_one_line(tmp_path, capsys):
    """A headline may name a claim that the report does not have. No page is written, and nothing else is shown."""
    report = report_of(found(), headlines=headline_findings([found()], THEORY))
    headline = report.headlines[0].model_copy(update={"parts": ("8.8",)})
    file = tmp_path / "r.json"
    file.write_text(report.model_copy(update={"headlines": (headline,)}).model_dump_json(), encoding="utf-8")

    assert main(["render", str(file), "-o", str(tmp_path / "p.html")]) == 2

    assert "The parts of a report must fit together; got UndefinedError" in capsys.readouterr().err
    assert not (tmp_path / "p.html").exists()


VALID = json.loads(report_of(found()).model_dump_json())
BAD_FILES = {
    "missing": (None, "The file must be readable; got", "No such file"),
    "no JSON": ("<html>", "The file must be a report.json of this suite; got", "which is no JSON"),
    "a list": ("[]", "The file must be a report.json of this suite; got", "no schema_version"),
    "newer": (json.dumps(VALID | {"schema_version": 99}), f"schema_version must be {SCHEMA_VERSION}; got 99", "newer"),
    "older": (json.dumps(VALID | {"schema_version": 1}), f"schema_version must be {SCHEMA_VERSION}; got 1", "make it"),
    "damaged": (json.dumps(VALID | {"claims": 1}), "The file must be a report.json of this suite; got claims", "tuple"),
}


@pytest.mark.parametrize(("content", "rule", "detail"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_input_gives_one_line(content, rule, detail, tmp_path, capsys):
    """The exit code is 2, and the line has the rule and what was found."""
    file = tmp_path / "x.json"
    if content is not None:
        file.write_text(content)

    assert main(["render", str(file), "-o", str(tmp_path / "page.html")]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert rule in line
    assert detail in line


def test_an_output_that_cannot_be_written_gives_one_line(tmp_path, capsys):
    """The line names the file."""
    written(tmp_path / "r", found())

    assert main(["render", str(tmp_path / "r" / "report.json"), "-o", str(tmp_path)]) == 2

    assert f"must be a writable file; got {tmp_path} (Is a directory)" in capsys.readouterr().err
