"""Makes the page of a report from report.json and from nothing else.

The figures are in report.json. The tables behind the figures are not: the page names them by their path, so these links
lead to a file only if the page is in the folder of the report.
"""

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
