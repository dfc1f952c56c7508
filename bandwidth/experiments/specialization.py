"""Experiment 3.1: do heads of one parity attend alike?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bandwidth import patterns
from bandwidth.prompts import COMPARE, QA, SIMPLE, Format, Prompt
from bandwidth.session import Session
from bandwidth.tokens import Tokens, tokenize

FORMATS: tuple[Format, ...] = (SIMPLE, QA, COMPARE)
WHOLE, WITHOUT_BOS = "whole pattern", "without BOS"
MEASURES = (WHOLE, WITHOUT_BOS)


@dataclass(frozen=True)
class Similarity:
    """Correlation between heads' patterns of the prompt, [measure, head, head]; measures as in MEASURES."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        own = pattern[0, :, : tokens.n_prompt, : tokens.n_prompt]
        rest = patterns.without_first_key(own) if tokens.has_bos else own
        return torch.stack([patterns.similarity(own), patterns.similarity(rest)])


def similarities(
    session: Session, prompts: Sequence[Prompt], *, progress: str | None = None
) -> dict[str, NDArray[np.float64]]:
    """By measure: correlation between every two heads' patterns at the layer of interest, [prompt, head, head]."""
    tokens = [tokenize(prompt, session.subject.tokenizer) for prompt in prompts]
    found = torch.stack(session.patterns(tokens, Similarity(), progress=progress)).double().numpy()
    return {measure: found[:, i] for i, measure in enumerate(MEASURES)}


def within(similarity: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over pairs of different heads of a group; [group] from [head, head] and [group, head]."""
    members = groups.astype(float)
    size = members.sum(1)
    total = np.einsum("gi,ij,gj->g", members, similarity, members, optimize=True) - members @ similarity.diagonal()
    return total / (size * (size - 1))


def between(similarity: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over pairs of a head of a group and a head outside it; [group] from [head, head] and [group, head]."""
    members = groups.astype(float)
    rest = 1 - members
    total = np.einsum("gi,ij,gj->g", members, similarity, rest, optimize=True)
    return total / (members.sum(1) * rest.sum(1))
