"""What a sweep costs as it grows: in trials, in the length of the prompt, with the layer of interest, in prompts."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest

from benchmarks import works
from claims.competition.chat import chat_format
from claims.competition.format_injection.measure import graded_formats
from claims.competition.prompts import DOCUMENT_PAIRS, INJECTION, QA, SIMPLE, Prompt, ask, injected, pairs
from referee.measuring import batches, prefix_cache
from referee.measuring.prefixes import shared_prefixes
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

COUNTS = (1, 10, 50, 100, 200, 400)
LAYERS = (0, 5, 10, 15, 20, 25, 29)
ROUNDS = 5


def run(subject, trials):
    """Nothing known of earlier rounds."""
    Session(subject).margins(trials)


def in_turn(benchmark, subject, sets):
    """Medians in ms of sets of trials, run in turn."""
    seconds = {name: [] for name in sets}

    def once():
        for name, trials in sets.items():
            began = benchmark._timer()
            run(subject.at(name) if benchmark.group == "layer" else subject, trials)
            seconds[name].append(benchmark._timer() - began)

    benchmark.pedantic(once, rounds=ROUNDS, warmup_rounds=1)
    found = {name: 1000 * median(each[1:]) for name, each in seconds.items()}
    benchmark.extra_info |= {str(name): round(ms, 2) for name, ms in found.items()}
    return found


def table(what, found):
    heads = " | ".join(str(name) for name in found)
    cells = " | ".join(f"{ms:.0f}" for ms in found.values())
    return f"| {what} | {heads} |\n|---|{'---:|' * len(found)}\n| ms | {cells} |"


@pytest.mark.parametrize("last_row", [False, True], ids=["all rows", "last row"])
def test_cost_grows_with_trials_as_a_line(last_row, benchmark, subject, show):
    """What is shared is the intercept, what a trial costs the slope."""
    most = works.trials(subject, last_row=last_row, count=max(COUNTS))
    benchmark.group = "trials"

    found = in_turn(benchmark, subject, {count: most[:count] for count in COUNTS})

    slope, intercept = np.polyfit(list(found), list(found.values()), 1)
    benchmark.extra_info |= {"slope": round(slope, 2), "intercept": round(intercept, 1)}
    kind = "last row" if last_row else "all rows"
    line = f"\nslope {slope:.1f} ms a trial, intercept {intercept:.0f} ms"
    show(f"trials, {kind}", table("trials", found) + line)


def test_cost_grows_with_length(benchmark, subject, show):
    """50 trials of the sketch's question with more and more format around it."""
    chosen = {}
    for format in INJECTION:
        prompt = Prompt(DOCUMENT_PAIRS[0], "bigger first", format)
        length = len(tokenize(prompt, subject.tokenizer))
        chosen.setdefault(length, works.trials(subject, last_row=False, count=50, prompt=prompt))
    lengths = sorted(chosen)[:: max(1, len(chosen) // 6)]
    benchmark.group = "length"

    found = in_turn(benchmark, subject, {length: chosen[length] for length in lengths})

    show("tokens of a prompt, 50 trials", table("tokens", found))


def test_cost_falls_with_the_layer_of_interest(benchmark, subject, show):
    """50 trials: what lies below is computed once."""
    trials = works.trials(subject, last_row=False, count=50)
    benchmark.group = "layer"

    found = in_turn(benchmark, subject, dict.fromkeys(LAYERS, trials))

    show("layer of interest of 30, 50 trials", table("layer", found))


BEGINNINGS = {
    "36 pairs, both orders, Simple, Q&A and Chat": (36, lambda tokenizer: [SIMPLE, QA, chat_format(tokenizer)]),
    "8 pairs, both orders, experiment 1.3's formats": (
        8,
        lambda tokenizer: [*INJECTION, *map(injected, graded_formats(tokenizer))],
    ),
}


@pytest.mark.parametrize("prompts", BEGINNINGS)
def test_equal_beginnings_are_computed_once(prompts, benchmark, subject, show, monkeypatch):
    """Unedited margins, with shared prefixes and without."""
    count, formats = BEGINNINGS[prompts]
    asked = [tokenize(prompt, subject.tokenizer) for prompt in ask(pairs(count), formats(subject.tokenizer))]
    worth = {"with": batches.tokens_at_once, "without": lambda subject: len(asked) * 1000}
    seconds = {name: [] for name in worth}

    def once():
        for name, least in worth.items():
            monkeypatch.setattr(prefix_cache, "tokens_at_once", least)
            began = benchmark._timer()
            run(subject, [Trial(tokens) for tokens in asked])
            seconds[name].append(benchmark._timer() - began)

    benchmark.pedantic(once, rounds=ROUNDS, warmup_rounds=1)
    found = {name: median(each[1:]) for name, each in seconds.items()}
    benchmark.extra_info |= found
    tokens, shared = sum(map(len, asked)), sum(prefix.rows for prefix in shared_prefixes(asked, worth=1).values())
    head = "| tokens | of which shared | with | without |\n|---:|---:|---:|---:|"
    show(prompts, f"{head}\n| {tokens} | {shared / tokens:.0%} | {found['with']:.1f} s | {found['without']:.1f} s |")
