"""Prompts that begin alike: what they share is computed once, and each of them needs only its own end.

A chat template stands before every question, and a prompt of few words may begin one of many. Attention looks back
only, so equal beginnings have equal keys, values and patterns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bandwidth.tokens import Tokens, alike

_SHARE = 4
"""A shared beginning of less than a quarter of a prompt is not looked at."""


class Trunk(NamedTuple):
    """Another prompt whose first `rows` tokens are a prompt's own."""

    prompt: Tokens
    rows: int


def trunks(prompts: Sequence[Tokens], worth: int) -> dict[Tokens, Trunk]:
    """A trunk for every prompt that should have one; no trunk has one itself.

    Prompts of one length that share about as much share exactly as much, so that they can be batched. The last
    token of a prompt proper is never shared: something is left to compute.

    Args:
        prompts: different ones.
        worth: so many shared tokens, at least, make up for computing twice; with fewer there is no trunk.
    """
    order = sorted(prompts, key=len, reverse=True)
    ids = np.full((len(order), len(order[0]) if order else 0), -1)
    standing: list[int] = []
    found: dict[Tokens, Trunk] = {}
    for i, tokens in enumerate(order):
        ids[i, : len(tokens)] = tokens.ids
        shared = (ids[standing, : tokens.n_prompt - 1] == ids[i, : tokens.n_prompt - 1]).cumprod(1).sum(1)
        best = int(shared.argmax()) if standing else -1
        if standing and _SHARE * shared[best] >= len(tokens):
            found[tokens] = Trunk(order[standing[best]], int(shared[best]))
        else:
            standing.append(i)
    levelled = _levelled(found)
    return levelled if sum(trunk.rows for trunk in levelled.values()) >= worth else {}


def _levelled(found: dict[Tokens, Trunk]) -> dict[Tokens, Trunk]:
    """With as many shared rows in all prompts of one length that share the same quarters."""
    hung = list(found)
    groups = alike(hung, lambda tokens: (len(tokens), _SHARE * found[tokens].rows // len(tokens)))
    fewest = {hung[i]: min(found[hung[j]].rows for j in group) for group in groups for i in group}
    return {tokens: Trunk(trunk.prompt, fewest[tokens]) for tokens, trunk in found.items()}
