"""Experiment 1.3: more and more format tokens, and what becomes of the numbers' share and of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from bandwidth.experiments.bandwidth import ALL_ROWS, ENRICHMENT, LAST_ROW, MEASURES, Shares
from bandwidth.experiments.behaviour import describe
from bandwidth.prompts import DOCUMENT_PAIRS, INJECTION, Pair, Prompt, ask, injected
from bandwidth.requests import Trial
from bandwidth.session import Session
from bandwidth.tokens import CATEGORIES, Tokens, lengthened, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HIGHEST = 0.85
"""The format share at which generated prompts end."""
STEP = 0.05
"""How far generated prompts lie apart; where accuracy falls, every word is tried."""
MEASURED = (ALL_ROWS, LAST_ROW, ENRICHMENT)
_NUMERICAL = CATEGORIES.index("numerical")


def format_share(tokens: Tokens) -> float:
    """Share of a prompt's tokens that are format tokens, the forced beginning of the answer left out."""
    held = tokens.categories[: tokens.n_prompt]
    return held.count("format") / len(held)


def graded_formats(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """How many injected words make format shares from 0 to 85 %, about 5 % apart under this tokenizer."""
    chosen: list[tuple[int, float]] = []
    for words in count():
        prompt = Prompt(DOCUMENT_PAIRS[0], "bigger first", injected(words))
        reached = format_share(tokenize(prompt, tokenizer))
        if reached > HIGHEST:
            return [words for words, _ in chosen]
        if not chosen or reached >= chosen[-1][1] + STEP - 1e-9:
            chosen.append((words, reached))
    raise AssertionError("unreachable: count() does not end")


def progressive_injection(session: Session, pairs: Sequence[Pair], *, progress: str | None = None) -> pd.DataFrame:
    """Every pair in both orders in the seed document's five formats and in generated ones, denser where accuracy falls.

    A row a prompt × measure of MEASURED. Columns: `format_tokens`, `format_share` (of tokens), `numerical_share`
    (mean over heads), `margin_logits`, `correct`, `top_answer`, and `diluted_share`: the numerical share where as
    many line breaks stand in place of the format tokens, so that what is due to format is told from what any longer
    prompt would do.
    """
    words = graded_formats(session.subject.tokenizer)
    table = _measured(session, ask(pairs, [*INJECTION, *map(injected, words)]), progress)
    accuracy = table.groupby("format")["correct"].mean()
    falls = [accuracy[injected(one).name] - accuracy[injected(next).name] for one, next in pairwise(words)]
    steepest = int(np.argmax(falls))
    between = range(words[steepest] + 1, words[steepest + 1])
    if falls[steepest] > 0 and between:
        dense = _measured(session, ask(pairs, [injected(count) for count in between]), progress)
        table = pd.concat([table, dense], ignore_index=True)
    return table


def _measured(session: Session, prompts: Sequence[Prompt], progress: str | None) -> pd.DataFrame:
    tokens = [tokenize(prompt, session.subject.tokenizer) for prompt in prompts]
    diluted = [_diluted(session, prompt, held) for prompt, held in zip(prompts, tokens, strict=True)]
    table = describe(prompts)
    table["format_tokens"] = [held.categories.count("format") for held in tokens]
    table["format_share"] = [format_share(held) for held in tokens]
    answers = session.margins([Trial(held) for held in tokens], top_answers=True, progress=progress)
    table[["margin_logits", "top_answer"]] = answers[["margin_logits", "top_answer"]]
    table["correct"] = table["margin_logits"] > 0
    shares, without = (_mean_shares(session, held, progress) for held in (tokens, diluted))
    columns = {name: MEASURES.index(name) for name in MEASURED}
    return pd.concat(
        [
            table.assign(measure=name, numerical_share=shares[:, i], diluted_share=without[:, i])
            for name, i in columns.items()
        ],
        ignore_index=True,
    )


def _diluted(session: Session, prompt: Prompt, tokens: Tokens) -> Tokens:
    """The bare comparison, made as long as the prompt by line breaks."""
    bare = tokenize(Prompt(prompt.pair, prompt.order, injected(0)), session.subject.tokenizer)
    return lengthened(bare, len(bare) + tokens.categories.count("format"), session.subject.tokenizer, behind=True)


def _mean_shares(session: Session, tokens: Sequence[Tokens], progress: str | None) -> np.ndarray:
    """Mean numerical share over heads, [prompt, measure]."""
    shares = torch.stack(session.patterns(tokens, Shares(), progress=progress))
    return shares[:, 0, :, :, _NUMERICAL].mean(-1).numpy()


def falls(table: pd.DataFrame, column: str = "numerical_share", measure: str = ALL_ROWS) -> pd.Series:
    """Each pair's rank correlation of a share with the share of format tokens, mean over orders; index pair.

    0 where the share does not change at all.
    """
    return _by_pair_and_order(table, measure, lambda g: _rank_correlation(g["format_share"], g[column]))


def due_to_format(table: pd.DataFrame, measure: str = ALL_ROWS) -> pd.Series:
    """How much further each pair's numerical share falls than with as many line breaks; index pair.

    From the prompt with the fewest to the one with the most format tokens, as a share of the fall; where the share
    does not fall, none of it is due to format (0).
    """

    def excess(group: pd.DataFrame) -> float:
        ends = group.sort_values("format_tokens").iloc[[0, -1]]
        fall, dilution = (ends[c].iloc[0] - ends[c].iloc[1] for c in ("numerical_share", "diluted_share"))
        return float((fall - dilution) / fall) if fall > 0 else 0.0

    return _by_pair_and_order(table, measure, excess)


def _by_pair_and_order(table: pd.DataFrame, measure: str, reduce: Callable[[pd.DataFrame], float]) -> pd.Series:
    chosen = table[table["measure"] == measure]
    return pd.Series(
        {pair: np.mean([reduce(g) for _, g in held.groupby("order", sort=False)])
         for pair, held in chosen.groupby("pair", sort=False)}
    )  # fmt: skip


def _rank_correlation(x: pd.Series, y: pd.Series) -> float:
    """Spearman's; 0 where y is constant."""
    if np.ptp(y.to_numpy()) < 1e-9:
        return 0.0
    return float(np.corrcoef(x.rank(), y.rank())[0, 1])


def accuracy_curves(table: pd.DataFrame, score: str = "correct") -> tuple[np.ndarray, np.ndarray]:
    """Share of right answers by share of format tokens: [format], increasing, and [pair, format], mean over orders.

    `score` "correct" goes by the margin, "greedy" by the most likely next token.
    """
    once = table[table["measure"] == ALL_ROWS]
    once = once.assign(greedy=once["top_answer"] == "right")
    x = once.groupby("format", sort=False)["format_share"].mean().sort_values()
    curves = once.pivot_table(index="pair", columns="format", values=score, aggfunc="mean", sort=False)
    return x.to_numpy(), curves[x.index].to_numpy(float)
