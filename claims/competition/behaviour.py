"""The answers of the unedited model. Repairs and breaks are judged against these answers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from claims.competition.prompts import ORDERS, QA, SIMPLE, Format, Order, Pair, Prompt, ask
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize


def behaviour(session: Session, prompts: Sequence[Prompt], *, progress: str | None = None) -> pd.DataFrame:
    """Returns one row per prompt: `margin_logits`, `correct` (margin > 0), `top_answer`, `greedy_answer`."""
    tokens = [tokenize(prompt, session.subject.tokenizer) for prompt in prompts]
    table = describe(prompts)
    # The answers come first, because the margins reuse their results for the prompts.
    answers = session.answers(tokens, progress=progress)
    measured = session.margins([Trial(t) for t in tokens], top_answers=True, progress=progress)
    table[["margin_logits", "top_answer"]] = measured[["margin_logits", "top_answer"]]
    table["correct"] = table["margin_logits"] > 0
    return table.assign(greedy_answer=answers)


def describe(prompts: Sequence[Prompt]) -> pd.DataFrame:
    """Returns the columns that identify the prompt of each row: `pair`, `order` and `format`."""
    return pd.DataFrame(
        {
            "pair": [str(prompt.pair) for prompt in prompts],
            "order": [prompt.order for prompt in prompts],
            "format": [prompt.format.name for prompt in prompts],
        }
    )


def bug_set(table: pd.DataFrame, pairs: Sequence[Pair]) -> list[tuple[Pair, Order]]:
    """Returns the cases (pair, order) that the model answers right in Simple and wrong in Q&A."""
    correct = table.set_index(["pair", "order", "format"])["correct"]
    return [
        (pair, order)
        for pair in pairs
        for order in ORDERS
        if correct[str(pair), order, SIMPLE.name] and not correct[str(pair), order, QA.name]
    ]


def right_prompts(table: pd.DataFrame, pairs: Sequence[Pair], formats: Sequence[Format]) -> list[Prompt]:
    """Returns the prompts that the model answers right in these formats. The prompts of a pair stay together."""
    correct = table.set_index(["pair", "order", "format"])["correct"]
    return [prompt for prompt in ask(pairs, formats) if correct[str(prompt.pair), prompt.order, prompt.format.name]]


def accuracy(table: pd.DataFrame, format: str) -> float:
    """Returns the share of prompts of a format with a positive margin."""
    return float(table.loc[table["format"] == format, "correct"].mean())


def accuracies(table: pd.DataFrame) -> list[dict[str, object]]:
    """Returns one record per format × order: accuracy by margin, and shares of the greedy answers."""
    records = []
    for (name, order), group in table.groupby(["format", "order"], sort=False):
        written = group["greedy_answer"].value_counts(normalize=True)
        greedy = {f"greedy_{answer}": float(written.get(answer, 0.0)) for answer in ("right", "wrong", "neither")}
        records.append({"format": name, "order": order, "correct": float(group["correct"].mean()), **greedy,
                        "n": len(group)})  # fmt: skip
    return records
