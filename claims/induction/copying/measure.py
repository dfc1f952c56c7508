"""Experiments I2 and I3: the edits that knock heads out, and the heads with the largest output."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from claims.induction.heads import Heads, in_heads, strongest
from claims.induction.predictions import Arms
from referee.attention.edits import Silence, ToFirstKey
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens

KNOCKED_OUT = "top heads knocked out"
SILENT = "top heads with output zero"
LARGEST = "heads with the largest output knocked out"
"""The names of the arms. A head that is knocked out attends to the first token alone."""


def knock_outs(top: Heads, largest: Heads) -> Arms:
    """Returns the edits of experiment I3: the top heads knocked out or silent, and other heads knocked out."""
    return {
        KNOCKED_OUT: in_heads(ToFirstKey(), top),
        SILENT: in_heads(Silence(), top),
        LARGEST: in_heads(ToFirstKey(), largest),
    }


def largest_outputs(session: Session, sequences: Sequence[Tokens], top: Heads, *, progress: str | None = None) -> Heads:
    """Returns as many other heads as there are top heads: those with the largest output, the largest first.

    The output is that before W_O. Its size is the L2 norm, mean over tokens and sequences.
    """
    subject = session.subject
    layers = range(subject.n_layers)
    norms = torch.stack(session.head_norms(sequences, layers=layers, progress=progress)).mean(0)
    places = pd.MultiIndex.from_product([layers, range(subject.n_heads)], names=["layer", "head"])
    return strongest(pd.Series(norms.flatten().numpy(), places).drop(list(top)), len(top))
