"""Computes a layer's attention pattern from the inputs of its attention call, and the output of an edited pattern.

Every attention module of transformers calls one function with query, key, value and mask. It gets back the output of
all heads. This call is the interface: its inputs determine the pattern, whatever function the model uses. All
computations are in float32, whatever the dtype of the model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from referee.errors import NoReadableAttention


class Call(NamedTuple):
    """The inputs of one attention call.

    Attributes:
        module: the attention module.
        query: [trial, head, row, size]. The rows are the computed tokens.
        key, value: [trial, key-value head, key, size]. The keys are all tokens, after the position embedding.
        mask: what transformers gives to the function: a tensor [trial, 1, row, key] to add or of booleans, or None.
        options: the other arguments, such as `scaling`.
    """

    module: torch.nn.Module
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    options: Mapping[str, Any]


def call_of(inputs: tuple[tuple, dict[str, Any]]) -> Call:
    """Returns the call from the positional and the named arguments of the attention function."""
    (module, query, key, value, mask, *_), options = inputs
    return Call(module, query, key, value, mask, options)


def pattern_of(call: Call) -> Tensor:
    """Returns the attention pattern of a call, [trial, head, row, key], in float32.

    The model's own eager function computes it, so soft caps, sinks and sliding windows are those of the model. Raises
    NoReadableAttention for a model without such a function.
    """
    _, pattern = _eager(call.module)(
        call.module,
        call.query.float(),
        call.key.float(),
        call.value.float(),
        _additive_mask(call),
        **call.options,
    )
    return pattern


def output_of(call: Call, pattern: Tensor) -> tuple[Tensor, Tensor]:
    """Returns what the attention function returns for another pattern: the heads' outputs, and the pattern.

    The outputs are [trial, row, head, size] in the dtype of the call. They are the values weighted by the pattern,
    [trial, head, row, key].
    """
    value = call.value.float().repeat_interleave(call.query.shape[1] // call.value.shape[1], dim=1)
    output = pattern.to(value.device) @ value
    return output.transpose(1, 2).contiguous().to(call.query.dtype), pattern


def _eager(module: torch.nn.Module) -> Callable[..., tuple[Tensor, Tensor]]:
    """Returns the eager attention function of the model that a module is part of."""
    name = type(module).__module__
    found = getattr(sys.modules[name], "eager_attention_forward", None)
    if found is None:
        raise NoReadableAttention(
            "The attention of a model must be a function of query, key, value and mask",
            f"{name}, which has no eager_attention_forward",
            "Try a Llama, Qwen, Mistral, Gemma, GPT-2 or GPT-NeoX model.",
        )
    return found


def _additive_mask(call: Call) -> Tensor:
    """Returns the mask as numbers to add to the scores, [trial or 1, 1, row, key] in float32.

    Without a mask, each row sees all keys up to its own position, or those in the layer's sliding window. The rows are
    the last tokens.
    """
    mask = call.mask
    if mask is None:
        rows, keys = call.query.shape[-2], call.key.shape[-2]
        mask = torch.ones(rows, keys, dtype=torch.bool, device=call.query.device).tril(keys - rows)[None, None]
        if window := call.options.get("sliding_window"):
            mask = mask.triu(keys - rows - window + 1)
    if mask.dtype == torch.bool:
        lowest = torch.finfo(torch.float32).min
        return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, lowest)
    return mask.float()
