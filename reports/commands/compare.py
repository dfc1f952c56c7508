"""Shows several reports as one table, with a column for each subject and a row for each claim."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from reports import differences
from reports.commands.diff import add_common_arguments
from reports.models import Report
from reports.reading import read
from reports.sections import Section, for_page, for_terminal
from reports.writing import write_text

HELP = "show the verdicts of several subjects as one table"
_SHORT = 60
"""Largest number of characters of a statement in the table."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reports", type=Path, nargs="+", metavar="report.json")
    add_common_arguments(parser)


def run(given: argparse.Namespace) -> int:
    reports = [read(file) for file in given.reports]
    if not given.allow_other_theory:
        differences.require_same_theories(reports)
    sections = compared(reports)
    print(for_terminal(sections))
    if given.html:
        write_text(given.html, for_page("One theory on several models", sections))
    return 0


def compared(reports: Sequence[Report]) -> list[Section]:
    """Returns one table for each theory: headlines first, then claims. A report without a claim has a dash there."""
    theories = {theory.folder: theory.name for report in reports for theory in report.theories}
    subjects = Section("Subjects", ("", "Model", "Profile", "Seed", "Layer", "Written"), tuple(
        (f"[{n}]", report.options.model, report.options.profile, str(report.options.seed),
         str(report.subject.layer) if report.subject else "–", report.created)
        for n, report in enumerate(reports, 1)
    ))  # fmt: skip
    columns = ("Claim", *(f"[{n}]" for n, _ in enumerate(reports, 1)), "Statement")
    return [subjects, *(Section(name, columns, _rows(reports, folder)) for folder, name in theories.items())]


def _rows(reports: Sequence[Report], folder: str) -> tuple[tuple[str, ...], ...]:
    """Returns the rows of a theory. The statement is that of the first report that has the claim."""
    names: dict[str, str] = {}
    cells: list[dict[str, str]] = []
    for report in reports:
        column: dict[str, str] = {}
        for headline in report.headlines:
            if headline.theory == folder:
                names.setdefault(f"headline {headline.number}", headline.statement)
                column[f"headline {headline.number}"] = f"{headline.verdict.sign} {headline.verdict}"
        for claim in report.claims:
            if claim.theory == folder:
                names.setdefault(claim.id, claim.statement)
                interval = f" {differences.numbers(claim.estimate)}" if claim.estimate else ""
                column[claim.id] = f"{claim.verdict.sign} {claim.verdict}{interval}"
        cells.append(column)
    ordered = sorted(names, key=lambda name: not name.startswith("headline "))
    return tuple((name, *(column.get(name, "–") for column in cells), _short(names[name])) for name in ordered)


def _short(statement: str) -> str:
    return statement if len(statement) <= _SHORT else statement[: _SHORT - 2] + " …"
