"""nnsight, as its documentation does it, and with trials as rows of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from nnsight import TransformersModel
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.work import Reading, Sweep, to_first


def _model(folder: str):
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    return TransformersModel(model, tokenizer=AutoTokenizer.from_pretrained(folder), task="text-generation")


def _site(model, layer: int):
    return model.model.layers[layer].self_attn.source.attention_interface_1.source.nn_functional_dropout_0


def each(work: Sweep) -> Callable[[], Tensor]:
    """One trace a trial, whole logits."""
    model = _model(work.model)

    def do() -> Tensor:
        found = []
        for pattern in work.patterns:
            with torch.no_grad(), model.trace({"input_ids": work.ids[None]}, use_cache=False):
                _site(model, work.layer).output = pattern[None]
                logits = model.output.logits.save()
            found.append(work.margins(logits[:, -1]))
        return torch.cat(found)

    return do


def batched(work: Sweep, rows: int = 50) -> Callable[[], Tensor]:
    """Trials as rows, logits of one position."""
    model = _model(work.model)

    def do() -> Tensor:
        found = []
        for pattern in work.patterns.split(rows):
            ids = work.ids.expand(len(pattern), -1)
            with torch.no_grad(), model.trace({"input_ids": ids}, use_cache=False, logits_to_keep=1):
                _site(model, work.layer).output = pattern
                logits = model.output.logits.save()
            found.append(work.margins(logits[:, -1]))
        return torch.cat(found)

    return do


def read_each(work: Reading) -> Callable[[], Tensor]:
    """One trace a prompt, patterns of all layers asked for."""
    model = _model(work.model)

    def do() -> Tensor:
        found = []
        for prompt in work.prompts:
            held: list[Tensor] = []
            with torch.no_grad(), model.trace({"input_ids": torch.tensor([prompt])}, use_cache=False):
                for layer in work.layers:
                    held.append(_site(model, layer).output.save())
            found.append(to_first(torch.stack(held, 1)))
        return torch.cat(found)

    return do
