"""Helpers that judge claims about induction heads on tables made by hand."""

from __future__ import annotations

import numpy as np
import torch
from by_hand import SETTINGS
from token_rows import random_tokens

from claims.induction.sequences import FIRST, SECOND, START
from claims.induction.theory import THEORY
from claims.simulations import finding_of
from referee.judging.evidence import NotApplicable

SWEPT = SETTINGS.profile.swept
"""The number of sequences on which edits are made in a quick run."""


def judged(test, **measurements):
    """Returns the finding of a claim's own test."""
    return finding_of(test, THEORY, **measurements)


def rng(seed=0):
    """Returns a source of random numbers."""
    return np.random.default_rng(seed)


def reason_of(call, *arguments):
    """Returns the reason why a claim does not apply, or the result of the call. NotApplicable would skip a test."""
    try:
        return call(*arguments)
    except NotApplicable as reason:
        return str(reason)


def halves(subject, *, bos):
    """Returns a sequence of 3 + 3 tokens, with a BOS or without."""
    categories = (START, *(FIRST,) * (2 + bos), *(SECOND,) * 3)
    return random_tokens(subject, 0, len(categories), categories)


def pattern_of(rows):
    """Returns a pattern [1, 1, query, key] from the rows without the zeros at their ends."""
    square = torch.zeros(len(rows), len(rows))
    for i, row in enumerate(rows):
        square[i, : len(row)] = torch.tensor(row)
    return square[None, None]
