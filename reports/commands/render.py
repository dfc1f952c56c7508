"""Makes the page of a report from report.json and from nothing else. The page needs no other file."""

from __future__ import annotations

import argparse
from pathlib import Path

from referee.errors import UnreadableReport
from reports.reading import read
from reports.writing import write_text

HELP = "make index.html from report.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, metavar="report.json")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="index.html", help="the page to write")


def run(given: argparse.Namespace) -> int:
    from jinja2 import TemplateError

    from reports import page

    report = read(given.report)
    try:
        made = page.html(report)
    except (TemplateError, LookupError, ArithmeticError, RuntimeError, ValueError) as problem:
        # The schema cannot say that one part of a report refers to another part.
        got = f"{type(problem).__name__}: {problem}"
        raise UnreadableReport("The parts of a report must fit together", got, "Name an unchanged file.") from problem
    write_text(given.output, made)
    return 0
