"""Compares two reports: the verdicts that differ, the shifts of the intervals, and what differs in provenance.

The exit code is 0 if all claims in both reports have equal verdicts, and 1 if not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from reports import differences
from reports.reading import read
from reports.sections import for_page, for_terminal
from reports.writing import write_text

HELP = "compare two reports"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, metavar="first.json")
    parser.add_argument("second", type=Path, metavar="second.json")
    add_common_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of each command that compares reports."""
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write the comparison as a page")
    parser.add_argument("--allow-other-theory", action="store_true",
                        help="compare claims with the same ids although the digests of the theory differ")  # fmt: skip


def run(given: argparse.Namespace) -> int:
    before, after = read(given.first), read(given.second)
    if not given.allow_other_theory:
        differences.require_same_theories([before, after])
    sections = differences.between(before, after)
    print(f"first:  {given.first}, {before.options.model}, {before.created}")
    print(f"second: {given.second}, {after.options.model}, {after.created}\n")
    print(for_terminal(sections))
    if given.html:
        write_text(given.html, for_page(f"{before.options.model} and {after.options.model}", sections))
    return int(bool(differences.verdict_changes(before, after)))
