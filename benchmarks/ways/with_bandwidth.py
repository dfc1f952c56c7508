"""Ours: a new session each time, so that nothing is known from one time to the next, and nothing is kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks import works
from benchmarks.work import Reading, Sweep, to_first
from referee.measuring import onednn
from referee.measuring.session import Session
from referee.models import subjects
from referee.prompts.tokens import Tokens, tokenize


def sweep(work: Sweep) -> Callable[[], Tensor]:
    """As the claims do it."""
    subject = subjects.load(work.model, layer=work.layer)
    trials = works.trials(subject, last_row=work.last_row)

    def do() -> Tensor:
        return torch.tensor(Session(subject).margins(trials)["margin_logits"].to_numpy())

    return do


def without_onednn(work: Sweep) -> Callable[[], Tensor]:
    """The same with PyTorch's own matrix products."""
    onednn._pays = lambda: False
    return sweep(work)


@dataclass(frozen=True)
class ToFirst:
    """The measure that `work.to_first` is."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        return to_first(pattern[None])


def read(work: Reading) -> Callable[[], Tensor]:
    """Prompts grouped by length, the model stopped after the last layer asked for."""
    subject = subjects.load(work.model, layer=work.layers[len(work.layers) // 2])
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in works.questions()]

    def do() -> Tensor:
        return torch.cat(Session(subject).patterns(prompts, ToFirst(), layers=work.layers))

    return do
