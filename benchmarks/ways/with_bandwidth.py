"""Ours: the one door, with either backend, nothing kept on disk and nothing remembered from one time to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bandwidth import backends, entered, subjects
from bandwidth import sweep as door
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens, tokenize
from benchmarks import works
from benchmarks.work import Reading, Sweep, to_first


def nnsight(work: Sweep) -> Callable[[], Tensor]:
    """The default backend."""
    return _sweep(work, "nnsight")


def tail(work: Sweep) -> Callable[[], Tensor]:
    """--backend torch."""
    return _sweep(work, "torch")


def _subject(folder: str, layer: int) -> Subject:
    return subjects.load(folder, layer=layer)


def _sweep(work: Sweep, backend: str) -> Callable[[], Tensor]:
    subject = _subject(work.model, work.layer)
    trials = works.trials(subject, last_row=work.last_row)
    backends.use(backend)

    def do() -> Tensor:
        with entered.forgetful(subject):
            return torch.tensor(door.run(subject, trials)["margin_logits"].to_numpy())

    return do


@dataclass(frozen=True)
class ToFirst:
    """The measure that `work.to_first` is."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        return to_first(pattern[None])


def read(work: Reading) -> Callable[[], Tensor]:
    """Prompts grouped by length, the model stopped after the last layer asked for."""
    subject = _subject(work.model, work.layers[len(work.layers) // 2])
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in works.questions()]

    def do() -> Tensor:
        return torch.cat(door.read(subject, prompts, ToFirst(), layers=work.layers))

    return do
