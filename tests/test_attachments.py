"""Figures and tables in a report: as files, inside report.json, and on the page."""

from __future__ import annotations

import base64
import gzip
import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sample_reports import CLAIM, found, written

from referee.judging.evidence import Drawing
from reports import attachments
from reports.__main__ import main

TABLE = pd.DataFrame({"unit": ["first", "second, with a comma"], "share": [1 / 3, 2e-9], "count": [1, 20]})
CLAIMS = [replace(CLAIM, id=f"9.9{letter}") for letter in "abc"]


def unpacked(text):
    """Returns the table in a field of report.json, as pandas reads it from the file that the page offers."""
    return pd.read_csv(io.BytesIO(base64.b64decode(text)), compression="gzip")


def test_equal_tables_are_in_the_report_once(tmp_path, monkeypatch):
    """Claims with equal tables name one file. The report has the bytes of each file, and the same bytes each time."""
    other = TABLE.assign(count=[2, 20])
    findings = [found(claim=claim, data=data) for claim, data in zip(CLAIMS, (TABLE, TABLE.copy(), other), strict=True)]

    report = written(tmp_path / "one", *findings)
    monkeypatch.setattr("time.time", lambda: 2e9)  # gzip can write the time into its output
    again = written(tmp_path / "two", *findings)

    assert [claim.data for claim in report.claims] == ["data/9.9a.csv", "data/9.9a.csv", "data/9.9c.csv"]
    assert sorted(path.name for path in (tmp_path / "one" / "data").iterdir()) == ["9.9a.csv", "9.9c.csv"]
    assert report.data == again.data
    for file, text in report.data.items():
        assert gzip.decompress(base64.b64decode(text)) == (tmp_path / "one" / file).read_bytes()
    assert unpacked(report.data["data/9.9c.csv"])["share"].tolist() == [0.333333, 2e-9]
    assert unpacked(report.data["data/9.9c.csv"])["unit"].tolist() == other["unit"].tolist()


def test_the_page_offers_the_data_without_other_files(tmp_path):
    """A page from report.json alone has each table once, under the name of its first claim."""
    findings = [found(claim=claim, data=TABLE) for claim in CLAIMS[:2]]
    report = written(tmp_path / "r", *findings)

    assert main(["render", str(tmp_path / "r" / "report.json"), "-o", str(tmp_path / "page.html")]) == 0

    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    links = re.findall(r'download="([^"]*)" href="data:application/gzip;base64,([^"]*)"', html)
    assert links == [("9.9a.csv.gz", report.data["data/9.9a.csv"])]
    assert 'Data: as in <a href="#9.9a">9.9a</a>' in html
    assert 'href="data/' not in html


def points(count):
    def draw():
        figure = Figure()
        places = np.random.default_rng(0).random((2, count))
        figure.subplots().scatter(*places, c=np.arange(count))
        return figure

    return Drawing(draw, "points")


@pytest.mark.parametrize(("count", "kind", "begins"), [(20, "svg", b"<?xml"), (5000, "png", b"\x89PNG")])
def test_a_figure_with_many_points_is_a_png(count, kind, begins, tmp_path):
    """The report names the file and has the same bytes. Two drawings are equal."""
    (claim,) = written(tmp_path / "r", found(drawing=points(count))).claims

    content = (tmp_path / "r" / "figures" / f"9.9a.{kind}").read_bytes()
    assert claim.figure.file == f"figures/9.9a.{kind}"
    assert base64.b64decode(claim.figure.image.partition("base64,")[2]) == content
    assert content.startswith(begins)
    assert attachments.picture(points(count)) == attachments.picture(points(count))
