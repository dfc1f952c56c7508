"""TransformerLens: one run with hooks a trial, and with trials as rows of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from benchmarks.work import Reading, Sweep, to_first


def _model(folder: str):
    return TransformerBridge.boot_transformers(folder, device="cpu", dtype=torch.float32)


def _site(layer: int) -> str:
    return f"blocks.{layer}.attn.hook_pattern"


def each(work: Sweep) -> Callable[[], Tensor]:
    """One run a trial, whole logits."""
    model = _model(work.model)

    def do() -> Tensor:
        found = []
        for pattern in work.patterns:
            written = [(_site(work.layer), lambda own, hook, pattern=pattern: pattern[None])]
            with torch.no_grad():
                logits = model.run_with_hooks(work.ids[None], fwd_hooks=written, return_type="logits")
            found.append(work.margins(logits[:, -1]))
        return torch.cat(found)

    return do


def batched(work: Sweep, rows: int = 50) -> Callable[[], Tensor]:
    """Trials as rows, logits of one position."""
    model = _model(work.model)

    def do() -> Tensor:
        found = []
        for pattern in work.patterns.split(rows):
            written = [(_site(work.layer), lambda own, hook, pattern=pattern: pattern)]
            ids = work.ids.expand(len(pattern), -1)
            with torch.no_grad():
                logits = model.run_with_hooks(ids, fwd_hooks=written, return_type="logits", logits_to_keep=1)
            found.append(work.margins(logits[:, -1]))
        return torch.cat(found)

    return do


def read_each(work: Reading) -> Callable[[], Tensor]:
    """One run with cache a prompt, of the patterns asked for."""
    model = _model(work.model)
    sites = [_site(layer) for layer in work.layers]

    def do() -> Tensor:
        found = []
        for prompt in work.prompts:
            with torch.no_grad():
                _, cache = model.run_with_cache(torch.tensor([prompt]), names_filter=lambda name: name in sites)
            found.append(to_first(torch.stack([cache[site] for site in sites], 1)))
        return torch.cat(found)

    return do
