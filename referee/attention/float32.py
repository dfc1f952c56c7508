"""Computes a model in float32 although its weights have a shorter dtype.

A float32 copy of all weights would need twice the memory of the model. Here each weight is converted when it is used,
and only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_OPERATIONS = (
    functional.linear,
    functional.layer_norm,
    functional.rms_norm,
    torch.addmm,
    torch.matmul,
    torch.bmm,
)
"""The operations in which the models of transformers combine weights with activations, and need one dtype for both.

A product such as `weight * x` needs no help, because PyTorch computes it in the longer dtype."""


class InFloat32(TorchFunctionMode):
    """A context manager. Inside it, the operations of this thread that use weights give results in float32.

    The embedding comes first, and its result is converted. Therefore all activations are in float32. A mixture of
    experts needs the implementation "eager" of transformers, because the others convert the inputs of the experts to
    the dtype of the weights; see `pretrained.set_eager`.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is functional.embedding:
            return _converted(func(*args, **(kwargs or {})))  # the rows of the prompt, not the whole matrix
        if func in _OPERATIONS:
            return func(*map(_converted, args), **{name: _converted(value) for name, value in (kwargs or {}).items()})
        return func(*args, **(kwargs or {}))


def _converted(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
