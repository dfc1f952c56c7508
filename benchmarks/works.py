"""The works of the comparison: the sweeps and the reading that all ways are given, with their right answers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from benchmarks.work import Reading, Sweep, to_first
from claims.competition import prompts
from claims.competition.prompts import DOCUMENT_PAIRS, QA, SIMPLE, Prompt
from referee.attention.edits import InHeads, KnockOut, Replace
from referee.measuring.requests import Trial
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens, tokenize

TRIALS = 200
PROMPTS = 60
LAYERS = 5


def trials(subject: Subject, *, last_row: bool, count: int = TRIALS, prompt: Prompt | None = None) -> list[Trial]:
    """Different random subsets of heads that take the aligned Simple pattern, or that lose edges of their last row."""
    prompt = prompt or Prompt(DOCUMENT_PAIRS[0], "bigger first", QA)
    target, donor = (
        tokenize(Prompt(prompt.pair, prompt.order, format), subject.tokenizer) for format in (prompt.format, SIMPLE)
    )
    rng = np.random.default_rng(0)
    found: dict[Trial, None] = {}
    while len(found) < count:
        heads = tuple(np.flatnonzero(rng.random(subject.n_heads) < 0.5).tolist())
        if not heads:
            continue
        edges = tuple((head, len(target) - 1, int(rng.integers(1, len(target)))) for head in heads)
        # The number of subsets is finite; another amount makes another trial.
        amount = 1.0 if len(found) < TRIALS else 1 - len(found) / (10 * count)
        found[Trial(target, KnockOut(edges) if last_row else InHeads(Replace(donor, amount), heads))] = None
    return list(found)


def questions(count: int = PROMPTS) -> list[Prompt]:
    return prompts.ask(prompts.pairs(count // 4), [SIMPLE, QA])[:count]


def sweep(subject: Subject, folder: Path, *, last_row: bool) -> Sweep:
    """The trials' patterns and margins, both of a float64 model with attention in plain PyTorch."""
    asked = trials(subject, last_row=last_row)
    target, edits = asked[0].tokens, [trial.edit for trial in asked if trial.edit]
    model = copy.deepcopy(subject.model).double()
    own, donor = (_patterns(model, tokens)[subject.layer].float() for tokens in (target, edits[0].donor or target))
    patterns = torch.stack([edit(target, own, donor) for edit in edits])
    ids = torch.tensor(target.ids)
    with plain_attention(model, {subject.layer: patterns.double()}), torch.no_grad():
        logits = model(ids.expand(len(asked), -1), use_cache=False, logits_to_keep=1).logits[:, -1]
    made = Sweep(
        str(folder), subject.layer, ids, patterns, target.right_id, target.wrong_id, torch.zeros(0), last_row=last_row
    )
    return replace(made, expected=made.margins(logits))


def reading(subject: Subject, folder: Path) -> Reading:
    """Patterns of the layer of interest and of its neighbours, for prompts of several lengths."""
    model = copy.deepcopy(subject.model).double()
    layers = list(range(subject.layer - LAYERS // 2, subject.layer + LAYERS // 2 + 1))
    asked = [tokenize(prompt, subject.tokenizer) for prompt in questions()]
    expected = [to_first(_patterns(model, tokens)[layers][None]) for tokens in asked]
    return Reading(str(folder), layers, [list(tokens.ids) for tokens in asked], torch.cat(expected))


def _patterns(model: Any, tokens: Tokens) -> Tensor:
    """[layer, head, query, key]."""
    with plain_attention(model, {}) as seen, torch.no_grad():
        model(torch.tensor([tokens.ids]), use_cache=False)
    return torch.cat(seen)


@contextmanager
def plain_attention(model: Any, written: dict[int, Tensor]) -> Iterator[list[Tensor]]:
    """Inside, the model computes its patterns in plain PyTorch, but for written ones; yields what it computes."""
    seen: list[Tensor] = []

    def attend(module, query, key, value, attention_mask, scaling, **_):
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
