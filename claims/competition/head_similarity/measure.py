"""Experiment 3.1: do heads of the same parity attend alike?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
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


@dataclass(frozen=True)
class Advantages:
    """Computes `advantage` for one group of heads on the whole pattern of the prompt, [layer]."""

    heads: tuple[int, ...]

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        alike = patterns.similarity(pattern[..., : tokens.n_prompt, : tokens.n_prompt]).double().numpy()
        group = np.isin(np.arange(pattern.shape[1]), self.heads)[None]
        return torch.tensor([advantage(of_layer, group)[0] for of_layer in alike])


def advantages(
    session: Session,
    prompts: Sequence[Prompt],
    heads: Sequence[int],
    layers: Sequence[int],
    *,
    progress: str | None = None,
) -> dict[int, NDArray[np.float64]]:
    """Returns the result of `advantage` for one group of heads, [prompt] for each layer."""
    tokens = [session.tokenize(prompt) for prompt in prompts]
    found = session.patterns(tokens, Advantages(tuple(heads)), layers=layers, progress=progress)
    return dict(zip(layers, torch.stack(found).double().numpy().T, strict=True))


def advantage(similarity: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the mean correlation within each group minus the one across its border; [group] from [group, head].

    A group of one head has no pair, so its value is not-a-number.
    """
    return within(similarity, groups) - between(similarity, groups)


def within(similarity: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the mean over pairs of different heads in a group; [group] from [head, head] and [group, head]."""
    members = groups.astype(float)
    size = members.sum(1)
    total = np.einsum("gi,ij,gj->g", members, similarity, members, optimize=True) - members @ similarity.diagonal()
    return total / np.where(size > 1, size * (size - 1), np.nan)


def between(similarity: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the mean over pairs of a head in a group and one outside; [group] from [head, head] and [group, head]."""
    members = groups.astype(float)
    rest = 1 - members
    total = np.einsum("gi,ij,gj->g", members, similarity, rest, optimize=True)
    return total / (members.sum(1) * rest.sum(1))


def clusters(similarity: NDArray[np.float64], count: int) -> NDArray[np.int_]:
    """Returns the cluster of each head, [head], for at most `count` clusters (average linkage on 1 − correlation)."""
    distance = np.clip(1 - (similarity + similarity.T) / 2, 0, None)
    np.fill_diagonal(distance, 0)
    tree = hierarchy.linkage(squareform(distance, checks=False), "average")
    return hierarchy.fcluster(tree, count, criterion="maxclust")


def adjusted_rand_index(one: Sequence[int], other: Sequence[int]) -> float:
    """Returns the agreement of two clusterings: 1 for equal ones, 0 on average by chance (Hubert & Arabie 1985).

    Returns not-a-number if all clusterings of these sizes agree equally well, for example for a single cluster.
    """
    _, rows = np.unique(np.asarray(one), return_inverse=True)
    _, columns = np.unique(np.asarray(other), return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)

    def pairs(counts: NDArray[np.float64]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, of_one, of_other = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = of_one * of_other / pairs(table.sum(keepdims=True))
    most = (of_one + of_other) / 2
    return (both - expected) / (most - expected) if most > expected else float("nan")
