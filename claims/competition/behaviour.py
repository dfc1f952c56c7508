"""The answers of the unedited model. Repairs and breaks are judged against these answers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from claims.competition.prompts import ORDERS, Format, Pair, Prompt
from referee.measuring.requests import Trial
from referee.measuring.scores import Margin, TopToken
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens
from reports.tables import Cell, Table


def behaviour(
    session: Session, prompts: Sequence[Prompt], *, written: Sequence[Prompt] | None = None, progress: str | None = None
) -> pd.DataFrame:
    """Returns one row per prompt: the columns of `unedited`, and `greedy_answer`.

    `greedy_answer` is None for prompts that are not among `written`. By default, all are. A written answer costs many
    forward passes, and no verdict uses it.
    """
    written = prompts if written is None else written
    # The answers come first, because the margins reuse their results for the prompts.
    answers = session.answers([session.tokenize(prompt) for prompt in written], progress=progress)
    found = dict(zip(written, answers, strict=True))
    return unedited(session, prompts, progress=progress).assign(greedy_answer=[found.get(p) for p in prompts])


def unedited(session: Session, prompts: Sequence[Prompt], *, progress: str | None = None) -> pd.DataFrame:
    """Returns one row per prompt: `pair`, `order`, `format`, `margin_logits`, `correct` (margin > 0), `top_answer`."""
    trials = [Trial(session.tokenize(prompt)) for prompt in prompts]
    return with_answers(describe(prompts), session, trials, right="correct", progress=progress)


def with_answers(
    table: pd.DataFrame, session: Session, trials: Sequence[Trial], *, right: str = "right", progress: str | None = None
) -> pd.DataFrame:
    """Returns the table with the results of trials, one per row: `margin_logits`, `top_answer` and `right`.

    `top_answer` is the answer that the most likely next token continues: "right", "wrong" or "neither". An answer is
    right if its margin is positive; `right` names this column.
    """
    measured = session.scores(trials, Margin(), TopToken(), progress=progress)
    answers = [_answer_of(trial.tokens, token) for trial, token in zip(trials, measured["top_token"], strict=True)]
    return table.assign(margin_logits=measured["margin_logits"].to_numpy(), top_answer=answers).assign(
        **{right: lambda found: found["margin_logits"] > 0}
    )


def _answer_of(tokens: Tokens, token: int) -> str:
    return {tokens.right_id: "right", tokens.wrong_id: "wrong"}.get(token, "neither")


def describe(prompts: Sequence[Prompt]) -> pd.DataFrame:
    """Returns the columns that identify the prompt of each row: `pair`, `order` and `format`."""
    return pd.DataFrame(
        {
            "pair": [str(prompt.pair) for prompt in prompts],
            "order": [prompt.order for prompt in prompts],
            "format": [prompt.format.name for prompt in prompts],
        }
    )


def right_prompts(table: pd.DataFrame, pairs: Sequence[Pair], formats: Sequence[Format]) -> list[Prompt]:
    """Returns the prompts that the model answers right: at most one of each pair and order.

    If an order is right in several formats, the formats take turns from pair to pair. More formats of the same pair
    would cost as much as more pairs, but pairs are the units.
    """
    correct = table.set_index(["pair", "order", "format"])["correct"]
    chosen = []
    for i, pair in enumerate(pairs):
        turn = [*formats[i % len(formats) :], *formats[: i % len(formats)]]
        for order in ORDERS:
            right = [format for format in turn if correct[str(pair), order, format.name]]
            chosen += [Prompt(pair, order, format) for format in right[:1]]
    return chosen


def accuracies(table: pd.DataFrame) -> Table:
    """Returns one row per format and order: the share of right margins, and the shares of the greedy answers.

    Each has its own number of prompts, because not every prompt has a greedy answer.
    """
    rows: list[tuple[Cell, ...]] = []
    for (name, order), group in table.groupby(["format", "order"], sort=False):
        written = group["greedy_answer"].value_counts(normalize=True)
        greedy = (float(written.get(answer, 0.0)) for answer in ("right", "wrong", "neither"))
        correct, n_written = float(group["correct"].mean()), int(group["greedy_answer"].notna().sum())
        rows.append((name, order, correct, len(group), *greedy, n_written))
    columns = ("Format", "Order of the numbers", "Right by margin", "n", "Writes the right number",
               "Writes the wrong number", "Writes neither", "n written")  # fmt: skip
    return Table("Answers of the unedited subject", columns, tuple(rows))
