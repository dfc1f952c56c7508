"""Renders, compares and repeats reports: `python -m reports --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from referee.errors import InstrumentFault
from reports.commands import compare, diff, register, render, replay

_COMMANDS = {
    "render": render,
    "diff": diff,
    "compare": compare,
    "replay": replay,
    "register": register,
}
TROUBLE = 2
"""Exit code if a command could not do its work. `argparse` uses the same code."""
INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM, as a shell gives it after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m reports", description="Renders, compares and repeats reports.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        sub = commands.add_parser(name, help=command.HELP, description=command.__doc__)
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    given = parser.parse_args(arguments)
    try:
        return given.run(given)
    except InstrumentFault as fault:
        print(f"{parser.prog}: {fault}", file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output, for example head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return TROUBLE


if __name__ == "__main__":
    sys.exit(main())
