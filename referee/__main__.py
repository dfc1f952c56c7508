"""Command line of the instrument: `python -m referee doctor [MODEL]`."""

from __future__ import annotations

import argparse
import sys

from referee.doctor.report import run


def main() -> int:
    """Runs the command that the user names. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m referee", description="Tests theories about language models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    doctor = commands.add_parser(
        "doctor",
        help="says what this machine can run and what is missing",
        description="Says what this machine can run and what is missing. It loads no weights and downloads none."
        " The exit code is 1 if something is missing.",
    )
    doctor.add_argument("model", nargs="?", metavar="MODEL", help="a name, hub id or folder, as for --model")
    return run(parser.parse_args().model)


if __name__ == "__main__":
    sys.exit(main())
