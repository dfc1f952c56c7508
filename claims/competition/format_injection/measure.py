"""Experiment 1.3: the numerical share and the answer at increasing numbers of format tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from claims.competition.bandwidth_distribution.measure import ALL_ROWS, ENRICHMENT, LAST_ROW, MEASURES, Shares
from claims.competition.behaviour import describe, with_answers
from claims.competition.prompts import CATEGORIES, DOCUMENT_PAIRS, INJECTION, Pair, Prompt, ask, injected
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens, lengthened, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HIGHEST = 0.85
"""Highest format share of the generated prompts."""
STEP = 0.05
"""Distance between generated prompts in format share. Where accuracy falls most, every word count is measured."""
MEASURED = (ALL_ROWS, LAST_ROW, ENRICHMENT)
_NUMERICAL = CATEGORIES.index("numerical")


def format_share(tokens: Tokens) -> float:
    """Returns the share of format tokens among the tokens of a prompt, without the forced prefix of the answer."""
    categories = tokens.categories[: tokens.n_prompt]
    return categories.count("format") / len(categories)


def graded_formats(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Returns the numbers of injected words that give format shares from 0 to 85 %, in steps of about 5 %."""
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
    """Measures every pair in both orders, in the five formats of the seed document and in generated formats.

    Generated formats are denser where accuracy falls most. The table has one row per prompt × measure of MEASURED.

    Columns:
        format_tokens: number of format tokens.
        format_share: share of format tokens among all tokens.
        numerical_share: mean over heads.
        diluted_share: numerical share if an equal number of line breaks replaces the format tokens. It separates the
            effect of format from the effect of any longer prompt.
        margin_logits, correct, top_answer: the answer of the unedited model.
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
    tokens = [session.tokenize(prompt) for prompt in prompts]
    diluted = [_diluted(session, prompt, own) for prompt, own in zip(prompts, tokens, strict=True)]
    table = describe(prompts)
    table["format_tokens"] = [own.categories.count("format") for own in tokens]
    table["format_share"] = [format_share(own) for own in tokens]
    table = with_answers(table, session, [Trial(own) for own in tokens], right="correct", progress=progress)
    shares, without = (_mean_shares(session, asked, progress) for asked in (tokens, diluted))
    columns = {name: MEASURES.index(name) for name in MEASURED}
    return pd.concat(
        [
            table.assign(measure=name, numerical_share=shares[:, i], diluted_share=without[:, i])
            for name, i in columns.items()
        ],
        ignore_index=True,
    )


def _diluted(session: Session, prompt: Prompt, tokens: Tokens) -> Tokens:
    """Returns the comparison without format. Line breaks replace the format tokens, one for one."""
    bare = session.tokenize(Prompt(prompt.pair, prompt.order, injected(0)))
    return lengthened(bare, len(bare) + tokens.categories.count("format"), session.subject.tokenizer, behind=True)


def _mean_shares(session: Session, tokens: Sequence[Tokens], progress: str | None) -> np.ndarray:
    """Returns the mean numerical share over heads, [prompt, measure]."""
    shares = torch.stack(session.patterns(tokens, Shares(), progress=progress))
    return shares[:, 0, :, :, _NUMERICAL].mean(-1).numpy()


def falls(table: pd.DataFrame, column: str = "numerical_share", measure: str = ALL_ROWS) -> pd.Series:
    """Returns the rank correlation of a share with the share of format tokens, as a mean over orders; index pair.

    The correlation is 0 if the share does not change.
    """
    return _by_pair_and_order(table, measure, lambda g: _rank_correlation(g["format_share"], g[column]))


def due_to_format(table: pd.DataFrame, measure: str = ALL_ROWS) -> pd.Series:
    """Returns the part of the fall of the numerical share that is due to format, for each pair; index pair.

    The fall is the difference between the prompts with the fewest and with the most format tokens. The fall with an
    equal number of line breaks is subtracted. The result is a share of the fall. It is 0 if the share does not fall.
    """

    def excess(group: pd.DataFrame) -> float:
        ends = group.sort_values("format_tokens").iloc[[0, -1]]
        fall, dilution = (ends[c].iloc[0] - ends[c].iloc[1] for c in ("numerical_share", "diluted_share"))
        return float((fall - dilution) / fall) if fall > 0 else 0.0

    return _by_pair_and_order(table, measure, excess)


def _by_pair_and_order(table: pd.DataFrame, measure: str, reduce: Callable[[pd.DataFrame], float]) -> pd.Series:
    chosen = table[table["measure"] == measure]
    return pd.Series(
        {pair: np.mean([reduce(g) for _, g in rows.groupby("order", sort=False)])
         for pair, rows in chosen.groupby("pair", sort=False)}
    )  # fmt: skip


def _rank_correlation(x: pd.Series, y: pd.Series) -> float:
    """Returns the rank correlation of Spearman. Returns 0 if y is constant."""
    if np.ptp(y.to_numpy()) < 1e-9:
        return 0.0
    return float(np.corrcoef(x.rank(), y.rank())[0, 1])


def accuracy_curves(table: pd.DataFrame, score: str = "correct") -> tuple[np.ndarray, np.ndarray]:
    """Returns the shares of format tokens, [format], and the shares of right answers, [pair, format].

    The shares of format tokens increase. The shares of right answers are means over orders. The `score` "correct"
    uses the margin. The `score` "greedy" uses the most likely next token.
    """
    once = table[table["measure"] == ALL_ROWS]
    once = once.assign(greedy=once["top_answer"] == "right")
    x = once.groupby("format", sort=False)["format_share"].mean().sort_values()
    curves = once.pivot_table(index="pair", columns="format", values=score, aggfunc="mean", sort=False)
    return x.to_numpy(), curves[x.index].to_numpy(float)
