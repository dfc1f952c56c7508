"""Fixes an analysis in a file before the run: theory, prompts, thresholds, analysis choices, model, profile and seed.

The command loads the model and measures nothing. Commit or publish the file. Then `pytest claims/ --registration FILE`
with the same options says whether the run did what the file fixed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from referee.errors import UnwritableFolder
from reports.commands.claims import run_claims

HELP = "fix the analysis in a file before the run"
_OPTIONS = ("model", "revision", "layer", "device", "dtype", "profile", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="registration.json", help="a new file")
    for name in _OPTIONS:
        parser.add_argument(f"--{name}", help=f"as in pytest claims/ --{name}")
    parser.add_argument("-k", metavar="WORDS", help="fix only the claims that pytest's option -k selects")


def run(given: argparse.Namespace) -> int:
    if given.output.exists():
        rule = "A registration must be a new file, because it is fixed once"
        raise UnwritableFolder(rule, f"{given.output}, which exists", "Name another file, or delete this one.")
    options = [f"--{name}={value}" for name in _OPTIONS if (value := getattr(given, name)) is not None]
    options += [f"-k={given.k}"] if given.k else []
    return run_claims("claims", *options, f"--register={given.output.absolute()}")
