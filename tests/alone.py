"""Results of trials and of prompts that share nothing with others, because a session of their own measures each."""

from __future__ import annotations

import pandas as pd

from referee.attention.wrapping import wrap
from referee.measuring.requests import Whole
from referee.measuring.session import Session


def scores_alone(subject, trials, *scores):
    """Returns a table with one row for each trial, and one column for each score."""
    wrapped = wrap(subject)
    found = [Session(subject, wrapped=wrapped).scores([trial], *scores) for trial in trials]
    return pd.concat(found, ignore_index=True)


def patterns_alone(subject, asked):
    """Returns the pattern [head, query, key] of each prompt at the layer of interest."""
    wrapped = wrap(subject)
    return [Session(subject, wrapped=wrapped).patterns([tokens], Whole())[0] for tokens in asked]
