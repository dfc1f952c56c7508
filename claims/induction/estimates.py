"""Estimates over sequences, which are the units of evidence, and comparisons with placebos and other sets of heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from claims.induction.theory import CONFIDENCE
from referee.judging import statistics
from referee.judging.evidence import Chance
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from referee.judging.evidence import Parts


def median(values: pd.Series, *, resolution: float = 0.0) -> Parts:
    """Returns the median over sequences. Returns {} if there are none.

    The index of the values is the number of the sequence. A value of at most the size `resolution` counts as 0.
    """
    return {"all": statistics.median(values, resolution=resolution)} if len(values) else {}


def placebo(world: str, real: pd.Series, other: pd.Series, *, resolution: float = 0.0) -> Chance:
    """Compares values with those of a placebo on the sequences that have both.

    The result vetoes the claim unless most sequences have a larger value than their placebo (sign test). A difference
    of at most the size `resolution` counts as 0.
    """
    differences = (real - other).dropna()
    p = statistics.sign_test(differences.where(differences.abs() > resolution, 0.0))
    return Chance(world, float(other.median()), p, veto=True)


def among_other_sets(own: float, others: Sequence[float], existing: int) -> Chance:
    """Compares the value of the named heads with the values of other sets of heads.

    The result vetoes the claim unless the value is larger than in almost all sets (permutation test). If too few sets
    exist for this test, it always vetoes the claim, and its text says how many exist.

    Args:
        own: the value of the named heads.
        others: the values of the other sets.
        existing: how many other sets exist.
    """
    p = statistics.permutation_p(own, others)
    value = float(np.quantile(others, CONFIDENCE)) if len(others) else None
    sets = f"{len(others)} other sets of heads (same layers, same number of heads)"
    if existing == len(others):
        sets += "; no more exist"
    if 1 / (1 + len(others)) > 1 - CONFIDENCE:
        sets += "; too few for a test"
    return Chance(sets, value, p, veto=True)


def lowest(values: pd.Series, criterion: Criterion) -> tuple[int, float] | None:
    """Returns the number and the value of the sequence with the lowest value. Returns None if the value meets the
    criterion."""
    sequence, value = int(values.idxmin()), float(values.min())
    return None if criterion.admits(value) else (sequence, value)
