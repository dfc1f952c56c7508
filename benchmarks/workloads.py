"""The workloads of the comparison. Each has the results of a float64 model whose attention is plain PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from claims.competition.prompts import DOCUMENT_PAIRS, QA, SIMPLE, Prompt, ask, pairs
from referee.attention.edits import Edit, InHeads, KnockOut, Replace, edited_pattern
from referee.attention.grouping import alike
from referee.measuring.requests import Trial
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens, tokenize

LAYERS = 5
"""The number of layers whose patterns are read."""
_FULL_EDITS = 200
"""The number of trials that replace whole patterns. Later ones replace a part, because there are few subsets."""


@dataclass(frozen=True)
class Sweep:
    """Edited forward passes of one prompt.

    Attributes:
        folder: the folder of the saved model.
        layer: the layer whose patterns are edited.
        trials: the edits, as the referee takes them.
        patterns: the patterns after the edits, as the other libraries take them, [trial, head, query, key].
        ids: the token ids of the prompt, [token].
        right, wrong: the tokens whose logits make the margin.
        expected: the margin of each trial at the last position, [trial], in logits.
    """

    folder: Path
    layer: int
    trials: tuple[Trial, ...]
    patterns: Tensor
    ids: Tensor
    right: int
    wrong: int
    expected: Tensor

    def __len__(self) -> int:
        return len(self.trials)

    def margins(self, logits: Tensor) -> Tensor:
        """Returns the margins, [trial], from logits [trial, vocabulary]."""
        return logits[:, self.right] - logits[:, self.wrong]

    def first(self, count: int) -> Sweep:
        """Returns the sweep of the first `count` trials."""
        parts = {name: getattr(self, name)[:count] for name in ("trials", "patterns", "expected")}
        return replace(self, **parts)


@dataclass(frozen=True)
class Reading:
    """Patterns of some layers for many unedited prompts.

    Attributes:
        folder: the folder of the saved model.
        layers: the layers to read, in order.
        prompts: the prompts.
        expected: the attention to the first token, summed over layers, heads and rows, for each prompt; [prompt].
    """

    folder: Path
    layers: tuple[int, ...]
    prompts: tuple[Tokens, ...]
    expected: Tensor

    def __len__(self) -> int:
        return len(self.prompts)


def to_first(pattern: Tensor) -> Tensor:
    """Returns the total attention to the first token, [prompt], from patterns [prompt, layer, head, query, key]."""
    return pattern[..., 0].flatten(1).sum(1)


def by_length(workload: Reading, read: Callable[[Tensor], Tensor]) -> Tensor:
    """Returns the results of all prompts, in order. `read` returns those of prompts of one length, [prompt, token]."""
    found: dict[int, Tensor] = {}
    for group in alike(workload.prompts, len):
        ids = torch.tensor([workload.prompts[i].ids for i in group])
        found |= dict(zip(group, read(ids), strict=True))
    return torch.stack([found[i] for i in range(len(workload))])


def edits(subject: Subject, target: Tokens, donor: Tokens, *, last_row: bool, count: int) -> list[Edit]:
    """Returns `count` different edits of random subsets of heads.

    The edit of all rows gives the heads the aligned pattern of the donor. The edit of the last row removes one edge of
    each head.
    """
    rng = np.random.default_rng(0)
    found: dict[Edit, None] = {}
    while len(found) < count:
        heads = tuple(np.flatnonzero(rng.random(subject.n_heads) < 0.5).tolist())
        if not heads:
            continue
        edges = tuple((head, len(target) - 1, int(rng.integers(1, len(target)))) for head in heads)
        amount = 1.0 if len(found) < _FULL_EDITS else 1 - len(found) / (10 * count)
        found[KnockOut(edges) if last_row else InHeads(Replace(donor, amount), heads)] = None
    return list(found)


def trials(subject: Subject, *, last_row: bool, count: int, prompt: Prompt | None = None) -> list[Trial]:
    """Returns `count` trials at the layer of interest. The donor is the prompt's pair in the format Simple."""
    asked = prompt or Prompt(DOCUMENT_PAIRS[0], "bigger first", QA)
    simple = Prompt(asked.pair, asked.order, SIMPLE)
    target, donor = (tokenize(each, subject.tokenizer) for each in (asked, simple))
    chosen = edits(subject, target, donor, last_row=last_row, count=count)
    return [Trial(target, {subject.layer: edit}) for edit in chosen]


def sweep(subject: Subject, folder: Path, *, last_row: bool, count: int) -> Sweep:
    """Returns a sweep of `count` trials of one Q&A prompt."""
    asked = trials(subject, last_row=last_row, count=count)
    target, chosen = asked[0].tokens, [edit for trial in asked for _, edit in trial.edits]
    model = copy.deepcopy(subject.model).double()
    own, donor = (_patterns(model, tokens)[subject.layer].float() for tokens in (target, chosen[0].donor or target))
    patterns = torch.stack([edited_pattern(edit, target, own, donor) for edit in chosen])
    ids = torch.tensor(target.ids)
    with plain_attention(model, {subject.layer: patterns.double()}), torch.no_grad():
        logits = model(ids.expand(count, -1), use_cache=False, logits_to_keep=1).logits[:, -1]
    right, wrong = target.right_id, target.wrong_id
    expected = logits[:, right] - logits[:, wrong]
    return Sweep(folder, subject.layer, tuple(asked), patterns, ids, right, wrong, expected)


def reading(subject: Subject, folder: Path, *, count: int) -> Reading:
    """Returns a reading of `count` prompts of several lengths, at the layer of interest and its neighbours."""
    model = copy.deepcopy(subject.model).double()
    first = subject.layer - LAYERS // 2
    layers = tuple(range(first, first + LAYERS))
    prompts = ask(pairs(-(-count // 4)), [SIMPLE, QA])[:count]
    tokens = tuple(tokenize(prompt, subject.tokenizer) for prompt in prompts)
    expected = [to_first(_patterns(model, each)[list(layers)][None]) for each in tokens]
    return Reading(folder, layers, tokens, torch.cat(expected))


def _patterns(model: Any, tokens: Tokens) -> Tensor:
    """Returns the patterns of all layers, [layer, head, query, key]."""
    with plain_attention(model, {}) as seen, torch.no_grad():
        model(torch.tensor([tokens.ids]), use_cache=False)
    return torch.cat(seen)


@contextmanager
def plain_attention(model: Any, written: dict[int, Tensor]) -> Iterator[list[Tensor]]:
    """Inside the context, the model computes attention in plain PyTorch. Yields the list of the patterns it computes.

    `written` has the patterns that replace those of a layer, by the index of the layer.
    """
    seen: list[Tensor] = []

    def attend(
        module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, scaling: float, **_: Any
    ) -> tuple[Tensor, Tensor]:
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = query @ key.transpose(2, 3) * scaling
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        pattern = written.get(module.layer_idx, scores.masked_fill(future, -torch.inf).softmax(-1))
        seen.append(pattern)
        return (pattern @ value).transpose(1, 2), pattern

    ALL_ATTENTION_FUNCTIONS.register("plain", attend)
    before = model.config._attn_implementation
    model.config._attn_implementation = "plain"
    try:
        yield seen
    finally:
        model.config._attn_implementation = before
