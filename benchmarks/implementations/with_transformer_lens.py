"""TransformerLens: one run with hooks for each trial, and batches of trials."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from benchmarks.workloads import Reading, Sweep, by_length, to_first


@cache
def _model(folder: Path) -> Any:
    return TransformerBridge.boot_transformers(str(folder), device="cpu", dtype=torch.float32)


def _pattern(layer: int) -> str:
    return f"blocks.{layer}.attn.hook_pattern"


def _run(workload: Sweep, patterns: Tensor, **options: int) -> Tensor:
    """Returns the margins of a batch of trials, [trial], from their patterns."""
    written = [(_pattern(workload.layer), lambda own, hook: patterns)]
    ids = workload.ids.expand(len(patterns), -1)
    with torch.no_grad():
        logits = _model(workload.folder).run_with_hooks(ids, fwd_hooks=written, return_type="logits", **options)
    return workload.margins(logits[:, -1])


def each(workload: Sweep) -> Callable[[], Tensor]:
    """Returns a function that runs each trial separately, and computes the logits of all positions."""
    return lambda: torch.cat([_run(workload, pattern[None]) for pattern in workload.patterns])


def batched(workload: Sweep, rows: int = 50) -> Callable[[], Tensor]:
    """Returns a function that runs batches of `rows` trials, and computes the logits of the last position."""
    return lambda: torch.cat([_run(workload, some, logits_to_keep=1) for some in workload.patterns.split(rows)])


def _read(workload: Reading, ids: Tensor) -> Tensor:
    """Returns `to_first` of prompts of one length, [prompt], from ids [prompt, token]. Stops after the last layer."""
    model, names = _model(workload.folder), [_pattern(layer) for layer in workload.layers]
    stop = workload.layers[-1] + 1
    with torch.no_grad():
        _, kept = model.run_with_cache(ids, names_filter=lambda name: name in names, stop_at_layer=stop)
    return to_first(torch.stack([kept[name] for name in names], 1))


def read_each(workload: Reading) -> Callable[[], Tensor]:
    """Returns a function that runs each prompt separately, with a cache of the patterns."""
    return lambda: torch.cat([_read(workload, torch.tensor([tokens.ids])) for tokens in workload.prompts])


def read_batched(workload: Reading) -> Callable[[], Tensor]:
    """Returns a function that runs batches of prompts of one length."""
    return lambda: by_length(workload, lambda ids: _read(workload, ids))
