"""Measures how the time of a sweep grows with trials, tokens, layers and prompts: `pytest benchmarks/test_cost.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from benchmarks import workloads
from benchmarks.conftest import Size
from claims.competition.chat import chat_format
from claims.competition.format_injection.measure import graded_formats
from claims.competition.prompts import DOCUMENT_PAIRS, INJECTION, QA, SIMPLE, Format, Prompt, ask, injected, pairs
from referee.measuring import prefix_cache
from referee.measuring.prefixes import shared_prefixes
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.models.subjects import Subject
from referee.prompts.tokens import tokenize

SHARES = (0.005, 0.05, 0.25, 0.5, 1, 2)
"""The numbers of trials, as shares of --trials."""
LAYERS = (0, 5, 10, 15, 20, 25, 29)
Show = Callable[[str, str], None]


def in_turn(benchmark: Any, runs: Mapping[Any, Callable[[], object]], repeats: int) -> dict[Any, float]:
    """Calls all functions in turn. Returns the median time of each in ms. One extra repeat warms up."""
    seconds: dict[Any, list[float]] = {name: [] for name in runs}

    def once() -> None:
        for name, run in runs.items():
            began = perf_counter()
            run()
            seconds[name].append(perf_counter() - began)

    benchmark.pedantic(once, rounds=repeats, warmup_rounds=1)
    found = {name: 1000 * median(times[1:]) for name, times in seconds.items()}
    benchmark.extra_info |= {str(name): round(ms, 2) for name, ms in found.items()}
    return found


def sweep(subject: Subject, trials: Sequence[Trial]) -> Callable[[], object]:
    """Returns a function that runs the trials in a new session, which keeps nothing of earlier repeats."""
    return lambda: Session(subject).margins(trials)


def table(what: str, found: Mapping[Any, float]) -> str:
    """Returns a Markdown table with one column for each time."""
    heads = " | ".join(map(str, found))
    cells = " | ".join(f"{ms:.0f}" for ms in found.values())
    return f"| {what} | {heads} |\n|---|{'---:|' * len(found)}\n| ms | {cells} |"


@pytest.mark.parametrize("last_row", [False, True], ids=["all rows", "last row"])
def test_trials(last_row: bool, benchmark: Any, subject: Subject, size: Size, show: Show) -> None:
    """Fits a line to the time: its slope is the cost of a trial, and its intercept the cost of what trials share."""
    counts = sorted({max(1, round(share * size.trials)) for share in SHARES})
    trials = workloads.trials(subject, last_row=last_row, count=max(counts))

    found = in_turn(benchmark, {count: sweep(subject, trials[:count]) for count in counts}, size.repeats)

    slope, intercept = np.polyfit(list(found), list(found.values()), 1)
    rows = "last row" if last_row else "all rows"
    line = f"\nThe line has a slope of {slope:.1f} ms a trial and an intercept of {intercept:.0f} ms."
    show(f"number of trials, {rows}; repeats: {size.repeats}", table("trials", found) + line)


def test_tokens(benchmark: Any, subject: Subject, size: Size, show: Show) -> None:
    """Measures one pair in formats of different length. The number of trials is a quarter of --trials."""
    runs: dict[int, Callable[[], object]] = {}
    for format in INJECTION:
        prompt = Prompt(DOCUMENT_PAIRS[0], "bigger first", format)
        trials = workloads.trials(subject, last_row=False, count=max(1, size.trials // 4), prompt=prompt)
        runs.setdefault(len(trials[0].tokens), sweep(subject, trials))

    found = in_turn(benchmark, dict(sorted(runs.items())), size.repeats)

    show(f"tokens of the prompt, {len(trials)} trials; repeats: {size.repeats}", table("tokens", found))


def test_layers(benchmark: Any, subject: Subject, size: Size, show: Show) -> None:
    """Measures several layers of interest. The number of trials is a quarter of --trials."""
    count = max(1, size.trials // 4)
    moved = [subject.at(layer) for layer in LAYERS]
    runs = {at.layer: sweep(at, workloads.trials(at, last_row=False, count=count)) for at in moved}

    found = in_turn(benchmark, runs, size.repeats)

    show(f"layer of interest of {subject.n_layers}, {count} trials; repeats: {size.repeats}", table("layer", found))


def three_formats(subject: Subject) -> list[Format]:
    chat = chat_format(subject.tokenizer)
    return [SIMPLE, QA, *([chat] if chat else [])]


def formats_of_injection(subject: Subject) -> list[Format]:
    return [*INJECTION, *map(injected, graded_formats(subject.tokenizer))]


SETS = {
    "both orders, Simple, Q&A and Chat": (5 / 3, three_formats),
    "both orders, formats of experiment 1.3": (7.5, formats_of_injection),
}
"""Sets of prompts with equal beginnings. The number of pairs is --prompts divided by the first number."""


@pytest.mark.parametrize("name", SETS)
def test_shared_prefixes(
    name: str, benchmark: Any, subject: Subject, size: Size, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measures the margins of unedited prompts, with shared prefixes and without."""
    divisor, formats = SETS[name]
    count = max(1, round(size.prompts / divisor))
    asked = [tokenize(prompt, subject.tokenizer) for prompt in ask(pairs(count), formats(subject))]
    trials = [Trial(tokens) for tokens in asked]

    def without() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(prefix_cache, "shared_prefixes", lambda prompts, worth: {})
            Session(subject).margins(trials)

    with_and_without = {"with": sweep(subject, trials), "without": without}
    found = in_turn(benchmark, with_and_without, size.repeats)

    tokens, shared = sum(map(len, asked)), sum(prefix.rows for prefix in shared_prefixes(asked, worth=1).values())
    line = f"\nOf {tokens} tokens, {shared / tokens:.0%} are in shared prefixes."
    show(f"{count} pairs, {name}; repeats: {size.repeats}", table("shared prefixes", found) + line)
