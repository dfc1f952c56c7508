"""Experiment 3.2: heads take the patterns of their neighbours."""

from __future__ import annotations

import numpy as np

from claims.competition.heads import RANDOM, even_heads, odd_heads
from referee.attention.edits import Edit, Exchange
from referee.models.subjects import Subject

EVEN_INTO_ODD, ODD_INTO_EVEN = "even patterns in odd heads", "odd patterns in even heads"
ODD_INTO_ODD, EVEN_INTO_EVEN = "odd patterns in other odd heads", "even patterns in other even heads"


def swaps(subject: Subject, *, groups: int = 0, seed: int = 0) -> dict[str, Edit]:
    """Returns the edits of experiment 3.2: heads take the patterns of their neighbours 2i and 2i + 1.

    The controls exchange patterns within one parity. `groups` random edits are added. In each random edit, chance
    decides which head of two neighbours takes the pattern of the other.
    """
    even, odd = even_heads(subject), odd_heads(subject)
    odd = odd[: len(even)]
    even = even[: len(odd)]
    arms: dict[str, Edit] = {
        EVEN_INTO_ODD: Exchange(tuple(zip(odd, even, strict=True))),
        ODD_INTO_EVEN: Exchange(tuple(zip(even, odd, strict=True))),
        ODD_INTO_ODD: Exchange(tuple(zip(odd, odd[1:] + odd[:1], strict=True))),
        EVEN_INTO_EVEN: Exchange(tuple(zip(even, even[1:] + even[:1], strict=True))),
    }
    rng = np.random.default_rng(seed)
    for i in range(groups):
        choices = rng.random(len(even)) < 0.5
        taken = tuple((e, o) if into_even else (o, e) for e, o, into_even in zip(even, odd, choices, strict=True))
        arms[f"{RANDOM} {i + 1}"] = Exchange(taken)
    return arms
