"""Prompts of random token ids, in which each token has a category of its own."""

from __future__ import annotations

import random

from claims.competition.prompts import Pair
from referee.prompts.tokens import Tokens

HALVES = ("first half", "second half")


def random_tokens(subject, seed, length=13, categories=None):
    """Returns a prompt of random ids. By default, the category of token i is "token i".

    Its `prompt` is a frozen dataclass without text and without answers.
    """
    ids = tuple(random.Random(seed).choices(range(len(subject.tokenizer)), k=length))
    return Tokens(
        prompt=Pair("9.8", f"9.{10 + seed}"),
        ids=ids,
        n_prompt=length,
        texts=tuple(map(str, ids)),
        categories=categories or tuple(f"token {i}" for i in range(length)),
        roles=(None,) * length,
        prompt_tail=(),
        has_bos=False,
        right_id=ids[0],
        wrong_id=ids[1],
    )


def in_halves(subject, seed, length=13, first=None):
    """Returns a prompt whose first tokens, by default half of them, are the first half. The others are the second."""
    first = length // 2 if first is None else first
    return random_tokens(subject, seed, length, (HALVES[0],) * first + (HALVES[1],) * (length - first))
