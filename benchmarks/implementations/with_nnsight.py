"""nnsight: one trace for each trial, as in its documentation, and batches of trials."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from nnsight import TransformersModel
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.workloads import Reading, Sweep, by_length, to_first


@cache
def _model(folder: Path) -> Any:
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    return TransformersModel(model, tokenizer=AutoTokenizer.from_pretrained(folder), task="text-generation")


def _pattern(model: Any, layer: int) -> Any:
    """Returns the operation in the model whose output is the pattern of a layer."""
    return model.model.layers[layer].self_attn.source.attention_interface_1.source.nn_functional_dropout_0


def each(workload: Sweep) -> Callable[[], Tensor]:
    """Returns a function that runs one trace for each trial, and computes the logits of all positions."""
    model = _model(workload.folder)

    def compute() -> Tensor:
        found = []
        for pattern in workload.patterns:
            with torch.no_grad(), model.trace({"input_ids": workload.ids[None]}, use_cache=False):
                _pattern(model, workload.layer).output = pattern[None]
                logits = model.output.logits.save()
            found.append(workload.margins(logits[:, -1]))
        return torch.cat(found)

    return compute


def batched(workload: Sweep, rows: int = 50) -> Callable[[], Tensor]:
    """Returns a function that runs batches of `rows` trials, and computes the logits of the last position."""
    model = _model(workload.folder)

    def compute() -> Tensor:
        found = []
        for pattern in workload.patterns.split(rows):
            ids = workload.ids.expand(len(pattern), -1)
            with torch.no_grad(), model.trace({"input_ids": ids}, use_cache=False, logits_to_keep=1):
                _pattern(model, workload.layer).output = pattern
                logits = model.output.logits.save()
            found.append(workload.margins(logits[:, -1]))
        return torch.cat(found)

    return compute


def _read(model: Any, layers: tuple[int, ...], ids: Tensor) -> Tensor:
    """Returns `to_first` of prompts of one length, [prompt], from ids [prompt, token]. Stops after the last layer."""
    found: list[Tensor] = []
    with torch.no_grad(), model.trace({"input_ids": ids}, use_cache=False) as tracer:
        for layer in layers:
            found.append(_pattern(model, layer).output.save())
        tracer.stop()
    return to_first(torch.stack(found, 1))


def read_each(workload: Reading) -> Callable[[], Tensor]:
    """Returns a function that runs one trace for each prompt."""
    model = _model(workload.folder)

    def compute() -> Tensor:
        prompts = (torch.tensor([tokens.ids]) for tokens in workload.prompts)
        return torch.cat([_read(model, workload.layers, ids) for ids in prompts])

    return compute


def read_batched(workload: Reading) -> Callable[[], Tensor]:
    """Returns a function that runs batches of prompts of one length."""
    model = _model(workload.folder)
    return lambda: by_length(workload, lambda ids: _read(model, workload.layers, ids))
