"""Reads and writes attention patterns of whole batches. The only module that knows nnsight.

Under eager attention, transformers multiplies the values by what comes out of the dropout that follows
the softmax; in evaluation that is the pattern itself. nnsight reaches this operation inside the attention
function by its name, which differs between versions of transformers and is therefore looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from nnsight import TransformersModel
from torch import Tensor

from bandwidth.errors import NoReadableAttention
from bandwidth.subjects import Subject

_ATTENTION_MODULES = ("self_attn", "attn", "attention")
_PROJECTIONS = ("o_proj", "c_proj", "dense")
_ATTENTION_CALLS = ("attention_interface_1", "attention_interface_0")
_PATTERN_OPERATION = "nn_functional_dropout_0"


@dataclass(frozen=True)
class Readout:
    """What a forward pass left behind at its last position.

    Attributes:
        logits: [trial, vocabulary].
        output_norm: length of the residual stream after the layer of interest, [trial].
    """

    logits: Tensor
    output_norm: Tensor


class Attention:
    """A subject's attention, readable at every layer and writable at the layer of interest.

    All prompts of one call have the same number of tokens, so that nothing is padded. Raises
    NoReadableAttention when the model has no such place.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._traced = TransformersModel(subject.model, tokenizer=subject.tokenizer, task="text-generation")
        self._layers, self._module = self._find_layers()
        self._call = self._find_call()

    def read(self, ids: Tensor, layers: Sequence[int]) -> Tensor:
        """Patterns, [prompt, layer, head, query, key], of prompts [prompt, token]; stops after the last layer."""
        held: list[Tensor] = []
        with torch.no_grad(), self._traced.trace(self._inputs(ids), use_cache=False) as tracer:
            for layer in layers:
                held.append(self._site(layer, self._call).output.clone().save())
            tracer.stop()
        return torch.stack(held, dim=1)

    def run(self, ids: Tensor, pattern: Tensor | None = None) -> Readout:
        """One forward pass of [trial, token], with [trial, head, query, key] written at the layer of interest."""
        layer = self.subject.layer
        with torch.no_grad(), self._traced.trace(self._inputs(ids), use_cache=False, logits_to_keep=1):
            if pattern is not None:
                self._site(layer, self._call).output = pattern.to(self.subject.device, self.subject.model.dtype)
            output = self._layers[layer].output
            hidden = output[0] if isinstance(output, tuple) else output
            norm = hidden[:, -1].float().norm(dim=-1).save()
            logits = self._traced.output.logits[:, -1].float().save()
        return Readout(logits, norm)

    def gradients(self, ids: Tensor, score: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Patterns at the layer of interest and the gradient of a score with respect to them.

        Args:
            ids: [prompt, token].
            score: from logits at the last position, [prompt, vocabulary], to a scalar: a sum over prompts.

        Returns:
            Two of [prompt, head, query, key], in float32.
        """
        with torch.enable_grad(), self._traced.trace(self._inputs(ids), use_cache=False, logits_to_keep=1):
            # A leaf: what lies below needs no gradient, and no parameter gets one.
            pattern = self._site(self.subject.layer, self._call).output.detach().requires_grad_().save()
            self._site(self.subject.layer, self._call).output = pattern
            logits = self._traced.output.logits[:, -1].float().save()
        (gradient,) = torch.autograd.grad(score(logits), pattern)
        return pattern.detach().float(), gradient.float()

    def head_outputs(self, ids: Tensor, pattern: Tensor) -> Tensor:
        """What every head hands to the output projection under a written pattern, [trial, token, head, size]."""
        layer = self.subject.layer
        with torch.no_grad(), self._traced.trace(self._inputs(ids), use_cache=False) as tracer:
            self._site(layer, self._call).output = pattern.to(self.subject.device, self.subject.model.dtype)
            mixed = self._projection(layer).input.clone().save()
            tracer.stop()
        return mixed.float().unflatten(-1, (self.subject.n_heads, -1))

    def _projection(self, layer: int) -> Any:
        attention = getattr(self._layers[layer], self._module)
        return getattr(attention, next(name for name in _PROJECTIONS if hasattr(attention, name)))

    def _inputs(self, ids: Tensor) -> dict[str, Tensor]:
        ids = ids.to(self.subject.device)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def _site(self, layer: int, call: str) -> Any:
        attention = getattr(self._layers[layer], self._module)
        return getattr(getattr(attention.source, call).source, _PATTERN_OPERATION)

    def _find_layers(self) -> tuple[Any, str]:
        """nnsight's view of the list of layers, and what a layer calls its attention module."""
        model = self.subject.model
        prefix = model.base_model_prefix
        for name, child in getattr(model, prefix, model).named_children():
            if isinstance(child, torch.nn.ModuleList) and len(child) == self.subject.n_layers:
                for module in _ATTENTION_MODULES:
                    if hasattr(child[self.subject.layer], module):
                        return getattr(getattr(self._traced, prefix), name), module
        raise self._unreadable(f"no layers with a module named {', '.join(_ATTENTION_MODULES)}")

    def _find_call(self) -> str:
        """The operation of the attention module inside which the pattern is made."""
        ids = torch.zeros(1, 2, dtype=torch.long)
        problems = []
        for call in _ATTENTION_CALLS:
            held: list[Tensor] = []
            try:
                with torch.no_grad(), self._traced.trace(self._inputs(ids), use_cache=False) as tracer:
                    held.append(self._site(self.subject.layer, call).output.save())
                    tracer.stop()
            except Exception as problem:  # nnsight raises many kinds, from inside a rewritten frame
                problems.append(f"{call}: {type(problem).__name__}")
                continue
            if held and tuple(held[0].shape) == (1, self.subject.n_heads, 2, 2):
                return call
            problems.append(f"{call}: shape {[tuple(p.shape) for p in held]}")
        raise self._unreadable("; ".join(problems))

    def _unreadable(self, found: str) -> NoReadableAttention:
        return NoReadableAttention(
            f"{self.subject.name} must compute attention patterns in its layers where nnsight can reach them",
            f"{type(self.subject.model).__name__} ({found})",
            "Try a Llama, Qwen, Mistral, Gemma, GPT-2 or GPT-NeoX model and the versions of constraints.txt.",
        )


@lru_cache(maxsize=2)
def of(subject: Subject) -> Attention:
    """The attention of a subject, wrapped once."""
    return Attention(subject)
