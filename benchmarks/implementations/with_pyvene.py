"""pyvene. It cannot edit patterns, so it replaces the input of W_O by the product of patterns and values."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyvene
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from benchmarks.workloads import Sweep


@cache
def _model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


def _prepared(workload: Sweep) -> tuple[Any, Tensor]:
    """Returns the model under pyvene, and the input of W_O in each trial, [trial, token, size]. This is not timed."""
    model = _model(workload.folder)
    mixed = (workload.patterns @ _values(model, workload)).transpose(1, 2).flatten(2)
    place = {"layer": workload.layer, "component": "attention_value_output"}
    config = pyvene.IntervenableConfig([place | {"intervention_type": pyvene.VanillaIntervention}])
    return pyvene.IntervenableModel(config, model=model), mixed


def _values(model: Any, workload: Sweep) -> Tensor:
    """Returns the values of each head, [head, token, size]. They are the same in every trial."""
    found: list[Tensor] = []
    projection = model.model.layers[workload.layer].self_attn.v_proj
    hook = projection.register_forward_hook(lambda module, inputs, output: found.append(output[0]))
    with torch.no_grad():
        model(workload.ids[None])
    hook.remove()
    heads, kv_heads = model.config.num_attention_heads, model.config.num_key_value_heads
    return found[0].unflatten(-1, (kv_heads, -1)).transpose(0, 1).repeat_interleave(heads // kv_heads, 0)


def _run(edited: Any, workload: Sweep, mixed: Tensor, **options: int) -> Tensor:
    """Returns the margins of a batch of trials, [trial]."""
    tokens = list(range(len(workload.ids)))
    ids = workload.ids.expand(len(mixed), -1)
    with torch.no_grad():
        _, found = edited(
            {"input_ids": ids, **options},
            source_representations=mixed,
            unit_locations={"sources->base": (None, [[tokens] * len(mixed)])},
        )
    return workload.margins(found.logits[:, -1])


def each(workload: Sweep) -> Callable[[], Tensor]:
    """Returns a function that runs one call for each trial, and computes the logits of all positions."""
    edited, mixed = _prepared(workload)
    return lambda: torch.cat([_run(edited, workload, some) for some in mixed.split(1)])


def batched(workload: Sweep, rows: int = 50) -> Callable[[], Tensor]:
    """Returns a function that runs batches of `rows` trials, and computes the logits of the last position."""
    edited, mixed = _prepared(workload)
    return lambda: torch.cat([_run(edited, workload, some, logits_to_keep=1) for some in mixed.split(rows)])
