"""Experiment 1.3: the numerical share and the answer at increasing numbers of format tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, cycle, islice
from typing import TYPE_CHECKING

import pandas as pd
import torch

from claims.competition.bandwidth_distribution.measure import ALL_ROWS, ENRICHMENT, LAST_ROW, MEASURES, Shares
from claims.competition.behaviour import describe, with_answers
from claims.competition.phrasings import FILLERS
from claims.competition.prompts import (
    CATEGORIES,
    DOCUMENT_PAIRS,
    INJECTION,
    ORDERS,
    Format,
    Pair,
    Prompt,
    ask,
    filled,
    injected,
)
from referee.judging.curves import change_point
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import OTHER, Tokens, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HIGHEST = 0.85
"""Highest format share of the generated prompts."""
STEP = 0.05
"""Distance between generated prompts in format share. Where accuracy falls, every word count is measured."""
MEASURED = (ALL_ROWS, LAST_ROW, ENRICHMENT)
OF_THE_DOCUMENT = "the seed document's formats"
"""The name of the series of the seed document. All other series are instructions of growing length."""
LAYER = "layer "
"""Beginning of the names of the columns with the numerical shares of other layers. The number of the layer follows."""
_NUMERICAL = CATEGORIES.index("numerical")


def format_share(tokens: Tokens) -> float:
    """Returns the share of format tokens among the tokens of a prompt, without the forced prefix of the answer."""
    categories = tokens.categories[: tokens.n_prompt]
    return categories.count("format") / len(categories)


def graded_formats(tokenizer: PreTrainedTokenizerFast, text: int = 0, pair: Pair = DOCUMENT_PAIRS[0]) -> list[int]:
    """Returns the numbers of words of an instruction that give format shares from 0 to 85 %, in steps of about 5 %."""
    chosen: list[tuple[int, float]] = []
    for words in count():
        prompt = Prompt(pair, ORDERS[0], injected(words, text))
        reached = format_share(tokenize(prompt, tokenizer))
        if reached > HIGHEST:
            return [words for words, _ in chosen]
        if not chosen or reached >= chosen[-1][1] + STEP - 1e-9:
            chosen.append((words, reached))
    raise AssertionError("unreachable: count() does not end")


@dataclass(frozen=True)
class _Asked:
    """One prompt with its tokens, and what the table says about it.

    `added` counts the format tokens, or the filler tokens in their place.
    """

    prompt: Prompt
    tokens: Tokens
    phrasing: str
    added: int
    filler: str = ""


def progressive_injection(
    session: Session,
    pairs: Sequence[Pair],
    *,
    phrasings: int,
    layers: Sequence[int] = (),
    progress: str | None = None,
) -> pd.DataFrame:
    """Measures prompts whose format tokens increase, in several phrasings, each with pairs of its own.

    The first series has the five formats of the seed document. Each of the others is one instruction at increasing
    length, denser where accuracy falls. The pairs are dealt out to the series, so every pair is used in one series
    only, in both orders. Thus a difference between pairs is also a difference between series, which are the units.
    Each longest instruction is also replaced by as many tokens of each filler.

    `phrasings` is the largest number of instructions. There are fewer if there are not enough pairs.

    The table has one row per prompt × measure of MEASURED.

    Columns:
        phrasing: the name of the series.
        filler: the kind of the tokens that replace the instruction; empty for prompts with format tokens.
        format_tokens: number of format tokens, or of the filler tokens in their place.
        format_share: share of these tokens among all tokens.
        numerical_share: mean over heads, at the layer of interest.
        layer 0, layer 1, …: numerical share by the measure "all rows" at each of `layers`.
        margin_logits, correct, top_answer: the answer of the unedited model.
    """
    texts = range(min(phrasings, len(pairs) - 1))
    dealt = [pairs[first :: len(texts) + 1] for first in range(len(texts) + 1)]
    asked = _series(session, dealt[0], INJECTION, OF_THE_DOCUMENT)
    lengths = [graded_formats(session.subject.tokenizer, text, dealt[text + 1][0]) for text in texts]
    for text, own in zip(texts, dealt[1:], strict=True):
        asked += _series(session, own, [injected(words, text) for words in lengths[text]], _name(text))
        asked += _fillers(session, own, injected(lengths[text][-1], text), _name(text))
    table = _measured(session, asked, layers, progress)
    dense: list[_Asked] = []
    for text, own in zip(texts, dealt[1:], strict=True):
        between = _where_it_falls(table, text, lengths[text])
        dense += _series(session, own, [injected(words, text) for words in between], _name(text))
    return pd.concat([table, _measured(session, dense, layers, progress)], ignore_index=True) if dense else table


def _name(text: int) -> str:
    return f"instruction {text + 1}"


def _series(session: Session, pairs: Sequence[Pair], formats: Sequence[Format], name: str) -> list[_Asked]:
    asked = [(prompt, session.tokenize(prompt)) for prompt in ask(pairs, formats)]
    return [_Asked(prompt, own, name, own.categories.count("format")) for prompt, own in asked]


def _where_it_falls(table: pd.DataFrame, text: int, lengths: Sequence[int]) -> list[int]:
    """Returns the numbers of words between the two measured ones between which accuracy falls."""
    rows = table[(table["phrasing"] == _name(text)) & (table["measure"] == ALL_ROWS)]
    by_format = rows.groupby("format")[["format_share", "correct"]].mean()
    curve = by_format.loc[[injected(words, text).name for words in lengths]]
    found = change_point(curve["format_share"], curve["correct"])
    if found is None:
        return []
    behind = max(int((curve["format_share"] <= found.middle).sum()), 1)
    return list(range(lengths[behind - 1] + 1, lengths[behind])) if behind < len(lengths) else []


def _fillers(session: Session, pairs: Sequence[Pair], longest: Format, name: str) -> list[_Asked]:
    """Returns the prompts in which each filler replaces the words of the longest format, with as many tokens."""
    asked = []
    for prompt in ask(pairs, [longest]):
        bare = session.tokenize(Prompt(prompt.pair, prompt.order, injected(0)))
        added = session.tokenize(prompt).n_prompt - bare.n_prompt
        for kind in FILLERS:
            tokens = _extended(bare, _filler_ids(session, prompt, kind, added))
            asked.append(_Asked(prompt, tokens, name, added, kind))
    return asked


def _filler_ids(session: Session, prompt: Prompt, kind: str, size: int) -> list[int]:
    """Returns the ids of exactly `size` filler tokens as they follow the numbers of a prompt.

    Words that the tokenizer merges into fewer tokens are put in one by one.
    """

    def ids(words: int) -> list[int]:
        text = Prompt(prompt.pair, prompt.order, filled(kind, words)).text
        return session.subject.tokenizer(text, add_special_tokens=False)["input_ids"]

    start = len(ids(0))
    several = ids(size)[start:]
    return list(islice(cycle(several if len(several) >= size else ids(1)[start:]), size))


def _extended(tokens: Tokens, ids: Sequence[int]) -> Tokens:
    """Returns a prompt with more tokens at its end. They belong to no category of the claims."""
    head = tokens.n_prompt

    def widened(values: tuple, added: Sequence) -> tuple:
        return (*values[:head], *added, *values[head:])

    return replace(
        tokens,
        ids=widened(tokens.ids, ids),
        n_prompt=head + len(ids),
        texts=widened(tokens.texts, [""] * len(ids)),
        categories=widened(tokens.categories, [OTHER] * len(ids)),
        roles=widened(tokens.roles, [None] * len(ids)),
    )


def _measured(session: Session, asked: Sequence[_Asked], layers: Sequence[int], progress: str | None) -> pd.DataFrame:
    tokens = [one.tokens for one in asked]
    table = describe([one.prompt for one in asked])
    table["phrasing"] = [one.phrasing for one in asked]
    table["filler"] = [one.filler for one in asked]
    table["format"] = table["format"].where(table["filler"] == "", table["filler"])
    table["format_tokens"] = [one.added for one in asked]
    table["format_share"] = [one.added / one.tokens.n_prompt for one in asked]
    table = with_answers(table, session, [Trial(own) for own in tokens], right="correct", progress=progress)
    shares = torch.stack(session.patterns(tokens, Shares(), progress=progress))
    found = shares[:, 0, :, :, _NUMERICAL].mean(-1).numpy()
    if layers:
        read = torch.stack(session.patterns(tokens, Shares(), layers=layers, progress=progress))
        everywhere = read[:, :, MEASURES.index(ALL_ROWS), :, _NUMERICAL].mean(-1).numpy()
        table[[f"{LAYER}{layer}" for layer in layers]] = everywhere
    return pd.concat(
        [table.assign(measure=name, numerical_share=found[:, MEASURES.index(name)]) for name in MEASURED],
        ignore_index=True,
    )
