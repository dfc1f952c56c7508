"""Wraps a model with nnsight and finds the attention call in its layers. No other module imports nnsight.

transformers calls the attention function inside the attention module of each layer. nnsight names this call by the
line of the source text, and the name differs between families. So `wrap` tries all known names.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
from nnsight import TransformersModel
from torch import Tensor

from referee.attention.interface import call_of, pattern_of
from referee.errors import NoReadableAttention
from referee.models.subjects import Subject

_ATTENTION_MODULES = ("self_attn", "attn", "attention")
_ATTENTION_CALLS = ("attention_interface_1", "attention_interface_0")
_REST = 1e-3
"""The share of a row that may be missing because of rounding."""


@dataclass(frozen=True)
class Wrapped:
    """A model that nnsight has wrapped.

    Attributes:
        traced: the wrapped model.
        layers: the list of its layers.
        module: the name of the attention module in a layer.
        call: the name of the attention call in that module.
        unembedding: the module that computes logits from the residual stream.
    """

    traced: Any
    layers: Any
    module: str
    call: str
    unembedding: Any

    def site(self, layer: int) -> Any:
        """Inside a trace: returns the attention call of a layer. Its inputs can be read and its output written."""
        return getattr(getattr(self.layers[layer], self.module).source, self.call)


def wrap(subject: Subject) -> Wrapped:
    """Wraps a subject's model with nnsight and checks that its patterns can be read.

    Raises NoReadableAttention when the model has no usable unembedding, layers or patterns, or when the rows of its
    patterns do not sum to one.
    """
    # Without a device argument, the pipeline inside nnsight moves the model to the first GPU. A model on several
    # devices has a device map, and nothing may move it.
    where = {} if getattr(subject.model, "hf_device_map", None) else {"device": subject.device}
    traced = TransformersModel(subject.model, tokenizer=subject.tokenizer, task="text-generation", **where)
    name = find_unembedding(subject)
    layers, module = find_layers(subject, traced)
    problems = []
    for call in _ATTENTION_CALLS:
        found = Wrapped(traced, layers, module, call, getattr(traced, name))
        patterns: list[Tensor] = []
        try:
            ids = torch.zeros(1, 2, dtype=torch.long, device=subject.device)
            with torch.no_grad(), traced.trace({"input_ids": ids}, use_cache=False) as tracer:
                found_pattern: Any = pattern_of(call_of(found.site(0).inputs))
                patterns.append(found_pattern.save())
                tracer.stop()
        except Exception as problem:  # nnsight raises many types of error, from a frame that it has rewritten
            problems.append(f"{call}: {type(problem).__name__}")
            continue
        if patterns and tuple(patterns[0].shape) == (1, subject.n_heads, 2, 2):
            if not patterns[0].is_meta:  # a model without weights has no values to look at
                _require_whole_rows(subject, patterns[0])
            return found
        problems.append(f"{call}: shape {[tuple(p.shape) for p in patterns]}")
    raise _unreadable(subject, "; ".join(problems))


def find_unembedding(subject: Subject) -> str:
    """Returns the name of the module that computes logits. Raises NoReadableAttention when there is none."""
    head = subject.model.get_output_embeddings()
    name = next((name for name, module in subject.model.named_modules() if module is head), None)
    if name is None or "." in name:
        raise _unreadable(subject, "no unembedding of its own")
    return name


def find_layers(subject: Subject, traced: Any) -> tuple[Any, str]:
    """Returns nnsight's wrapper of the list of layers and the name of the attention module in a layer.

    Raises NoReadableAttention when the model has no such list, or when some of its layers have no attention, or another
    kind of attention than the first layer.
    """
    decoder = subject.model.get_decoder()
    inside = next(name for name, module in subject.model.named_modules() if module is decoder)
    for name, child in decoder.named_children():
        if isinstance(child, torch.nn.ModuleList) and len(child) == subject.n_layers:
            for module in _ATTENTION_MODULES:
                if getattr(child[0], module, None) is not None:
                    _require_one_kind(subject, child, module)
                    return attrgetter(f"{inside}.{name}".lstrip("."))(traced), module
    raise _unreadable(subject, f"no layers with a module named {', '.join(_ATTENTION_MODULES)}")


def _require_one_kind(subject: Subject, layers: torch.nn.ModuleList, module: str) -> None:
    """Raises NoReadableAttention when a layer has no attention, or another kind of attention than the first layer."""
    kinds = [type(getattr(layer, module, None)) for layer in layers]
    for i, kind in enumerate(kinds):
        if kind is not kinds[0]:
            raise _unreadable(subject, f"no {kinds[0].__name__} in layer {i}")


def _require_whole_rows(subject: Subject, pattern: Tensor) -> None:
    """Raises NoReadableAttention when a row of a pattern sums to less than one.

    A model such as GPT-OSS gives the rest to a sink that is no token. A head's share of attention then has two
    meanings, and an edit that makes the rows sum to one would enlarge the head's output.
    """
    smallest = pattern.sum(-1).min().item()
    if smallest < 1 - _REST:
        raise NoReadableAttention(
            f"The rows of the attention patterns of {subject.name} must sum to one",
            f"a row that sums to {smallest:.3f}, because a sink that is no token receives the rest",
            "Use a model without such sinks, because neither the shares nor the edits are defined for them.",
        )


def _unreadable(subject: Subject, found: str) -> NoReadableAttention:
    """Makes the error for a model without a readable pattern; `found` says what the model has instead."""
    return NoReadableAttention(
        f"{subject.name} must compute attention patterns in its layers where nnsight can reach them",
        f"{type(subject.model).__name__} ({found})",
        "Try a Llama, Qwen, Mistral, Gemma, GPT-2 or GPT-NeoX model and the versions of constraints.txt.",
    )
