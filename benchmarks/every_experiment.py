"""A pytest plugin for measurements of whole runs: every experiment of Bandwidth Competition runs on any model.

python -m pytest claims/ -p benchmarks.every_experiment --model=FOLDER --no-cache --report=REPORT

A model of random weights has no bug beyond chance, so the claims about the bug would not apply to it, and the run would
be short. With this plugin, accidental bugs count in both orders of the numbers. **The verdicts then mean nothing.** At
its end, the run says how much memory of the GPU it needed at most.
"""

from __future__ import annotations

import pytest


def pytest_configure() -> None:
    # nnsight adds an attribute to every class, and other plugins of pytest cannot be imported after it.
    from claims.competition import screening
    from claims.competition.prompts import ORDERS

    screening.orders_with_bug = lambda table: ORDERS


def pytest_report_header() -> str:
    return "every experiment runs: accidental bugs count in both orders, and the verdicts mean nothing"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    import torch

    if torch.cuda.is_available():
        used = torch.cuda.max_memory_allocated() / 1e9
        terminalreporter.write_line(f"largest memory of tensors on the GPU: {used:.1f} GB")
