"""Helpers that judge claims about induction heads on tables made by hand."""

from __future__ import annotations

import numpy as np
from by_hand import SETTINGS

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
