"""Experiment 3.1: do heads of the same parity attend alike?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from claims.competition.prompts import COMPARE, QA, SIMPLE, Format, Prompt
from referee.attention import patterns
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens

FORMATS: tuple[Format, ...] = (SIMPLE, QA, COMPARE)
WHOLE, WITHOUT_BOS = "whole pattern", "without BOS"
MEASURES = (WHOLE, WITHOUT_BOS)


@dataclass(frozen=True)
class HeadCorrelations:
    """Computes correlations between the patterns of heads, [measure, head, head].

    The patterns cover only the prompt. The measures have the order of MEASURES.
    """

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        own = pattern[0, :, : tokens.n_prompt, : tokens.n_prompt]
        rest = patterns.without_first_key(own) if tokens.has_bos else own
        return torch.stack([patterns.similarity(own), patterns.similarity(rest)])


def similarities(
    session: Session, prompts: Sequence[Prompt], *, progress: str | None = None
) -> dict[str, NDArray[np.float64]]:
    """Returns correlations of patterns at the layer of interest, [prompt, head, head] for each measure."""
    tokens = [session.tokenize(prompt) for prompt in prompts]
    found = torch.stack(session.patterns(tokens, HeadCorrelations(), progress=progress)).double().numpy()
    return {measure: found[:, i] for i, measure in enumerate(MEASURES)}


def within(similarity: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the mean over pairs of different heads in a group; [group] from [head, head] and [group, head]."""
    members = groups.astype(float)
    size = members.sum(1)
    total = np.einsum("gi,ij,gj->g", members, similarity, members, optimize=True) - members @ similarity.diagonal()
    return total / (size * (size - 1))


def between(similarity: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the mean over pairs of a head in a group and one outside; [group] from [head, head] and [group, head]."""
    members = groups.astype(float)
    rest = 1 - members
    total = np.einsum("gi,ij,gj->g", members, similarity, rest, optimize=True)
    return total / (members.sum(1) * rest.sum(1))
