"""pyvene: it cannot write patterns, so what the heads hand to W_O is written, patterns times values."""

from __future__ import annotations

from collections.abc import Callable

import pyvene
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from benchmarks.work import Sweep


def _prepared(work: Sweep):
    """The model under pyvene, and what it writes in each trial, [trial, token, size]; not counted in its time."""
    model = AutoModelForCausalLM.from_pretrained(work.model, attn_implementation="eager").eval()
    mixed = (work.patterns @ _values(model, work)).transpose(1, 2).flatten(2)
    config = pyvene.IntervenableConfig(
        [{"layer": work.layer, "component": "attention_value_output", "intervention_type": pyvene.VanillaIntervention}]
    )
    return pyvene.IntervenableModel(config, model=model), mixed


def _values(model, work: Sweep) -> Tensor:
    """[head, token, size]: what patterns are multiplied by in every trial."""
    layer = model.model.layers[work.layer]
    with torch.no_grad():
        hidden = model(work.ids[None], output_hidden_states=True).hidden_states[work.layer]
        values = layer.self_attn.v_proj(layer.input_layernorm(hidden))[0]
    heads, kv_heads = model.config.num_attention_heads, model.config.num_key_value_heads
    return values.unflatten(-1, (kv_heads, -1)).transpose(0, 1).repeat_interleave(heads // kv_heads, 0)


def _run(edited, work: Sweep, mixed: Tensor, **options: int) -> Tensor:
    tokens = list(range(len(work.ids)))
    ids = work.ids.expand(len(mixed), -1)
    with torch.no_grad():
        _, found = edited(
            {"input_ids": ids, **options},
            source_representations=mixed,
            unit_locations={"sources->base": (None, [[tokens] * len(mixed)])},
        )
    return work.margins(found.logits[:, -1])


def each(work: Sweep) -> Callable[[], Tensor]:
    """One call a trial, whole logits."""
    return batched(work, rows=1, whole=True)


def batched(work: Sweep, rows: int = 50, *, whole: bool = False) -> Callable[[], Tensor]:
    """Trials as rows, logits of one position."""
    edited, mixed = _prepared(work)
    options = {} if whole else {"logits_to_keep": 1}

    def do() -> Tensor:
        return torch.cat([_run(edited, work, some, **options) for some in mixed.split(rows)])

    return do
