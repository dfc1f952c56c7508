"""How well the tokens of sequences are predicted, with and without edits of the attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import pandas as pd

from claims.induction.sequences import FIRST, SECOND, number
from referee.attention.edits import Edit
from referee.measuring.requests import Trial
from referee.measuring.scores import NextTokenAccuracy, NextTokenLogProbability
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens

UNEDITED = "unedited"
"""The name of the arm without edits."""
ACCURACY = {half: NextTokenAccuracy(half).column for half in (FIRST, SECOND)}
LOG_PROBABILITY = {half: NextTokenLogProbability(half).column for half in (FIRST, SECOND)}
"""The names of the columns, by half."""
_SCORES = {
    score.column: score
    for half in (FIRST, SECOND)
    for score in (NextTokenAccuracy(half), NextTokenLogProbability(half))
}
Arms = Mapping[str, Mapping[int, Edit]]
"""The edits of a trial, by the name of the arm. Each edit has its layer."""


def predictions(
    session: Session,
    sequences: Sequence[Tokens],
    arms: Arms,
    columns: Sequence[str],
    *,
    progress: str | None = None,
) -> pd.DataFrame:
    """Returns one row per arm × sequence: `sequence`, `arm`, and the given columns.

    The columns are those of ACCURACY and LOG_PROBABILITY. Each of them costs time, so only those that are needed should
    be named.
    """
    places = list(product(arms, sequences))
    trials = [Trial(tokens, arms[arm]) for arm, tokens in places]
    table = session.scores(trials, *(_SCORES[column] for column in columns), progress=progress)
    described = {"sequence": [number(tokens) for _, tokens in places], "arm": [arm for arm, _ in places]}
    return pd.DataFrame(described).join(table)


def of_arm(table: pd.DataFrame, arm: str, column: str) -> pd.Series:
    """Returns a column of the rows of one arm. The index is the number of the sequence."""
    found: pd.Series = table[table["arm"] == arm].set_index("sequence")[column]
    return found
