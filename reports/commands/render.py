"""Makes the page of a report from report.json and from nothing else. The page needs no other file."""

from __future__ import annotations

import argparse
from pathlib import Path

from reports.reading import read
from reports.writing import write_text

HELP = "make index.html from report.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, metavar="report.json")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="index.html", help="the page to write")


def run(given: argparse.Namespace) -> int:
    from reports import page

    write_text(given.output, page.html(read(given.report)))
    return 0
