"""The referee. Every repeat has a new session without a result cache, so that no repeat uses results of another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.workloads import Reading, Sweep, to_first
from referee.measuring.session import Session
from referee.models import subjects
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens


@cache
def _subject(folder: Path, layer: int) -> Subject:
    return subjects.load(str(folder), layer=layer, device="cpu")


def sweep(workload: Sweep) -> Callable[[], Tensor]:
    """Returns a function that computes margins as the claims do."""
    subject = _subject(workload.folder, workload.layer)

    def compute() -> Tensor:
        return torch.tensor(Session(subject).margins(workload.trials)["margin_logits"].to_numpy())

    return compute


@dataclass(frozen=True)
class ToFirst:
    """The measure that computes `workloads.to_first`."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        return to_first(pattern[None])


def read(workload: Reading) -> Callable[[], Tensor]:
    """Returns a function that reads prompts in batches of one length, and stops after the last layer."""
    subject = _subject(workload.folder, workload.layers[len(workload.layers) // 2])

    def compute() -> Tensor:
        return torch.cat(Session(subject).patterns(workload.prompts, ToFirst(), layers=workload.layers))

    return compute
