"""Matrix products in float32 on AMD's processors by oneDNN, which is part of PyTorch, in place of MKL, its default.

MKL keeps its AVX-512 kernels to processors of its maker; here oneDNN is up to a half faster. Both add up in float32:
what differs is the order, and with it the last digit.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_ROWS = 400
"""Of the batches for which weights are laid out."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As torch.nn.functional.linear: [..., out] of [..., in] and [out, in]; faster where weights need no gradient."""
    learning = torch.is_grad_enabled() and any(part is not None and part.requires_grad for part in (weight, bias))
    if learning or not _is_quick(x):
        return functional.linear(x, weight, bias)
    return (
        _ForGradient.apply(x, weight, bias)
        if torch.is_grad_enabled() and x.requires_grad
        else _product(x, weight, bias)
    )


class Product:
    """A weight that many batches are multiplied with, laid out for it once; without gradients."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """`weight` [out, in], `bias` [out]."""
        weight, self._bias = weight.detach(), None if bias is None else bias.detach()
        self._quick = _is_quick(weight)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS) if self._quick else weight

    def __call__(self, x: Tensor) -> Tensor:
        """[..., out] of [..., in]."""
        if not self._quick:
            return functional.linear(x, self._weight, self._bias)
        return _product(x, self._weight, self._bias)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The product plus something of its shape."""
        return self._then(x, other, "add") if self._quick else self(x) + other

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """The product times something of its shape, number by number."""
        return self._then(x, other, "mul") if self._quick else self(x) * other

    def _then(self, x: Tensor, other: Tensor, what: str) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.binary(x, other, self._weight, self._bias, what)


def quicken(model: nn.Module) -> None:
    """Lets a model's linear layers compute by `linear`; copies and conversions of it compute right, too."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = _Linear


class _ForGradient(torch.autograd.Function):
    """A product through which a gradient with respect to what enters is sent back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return _product(gradient, weight.t(), None), None, None


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class _Linear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def _is_quick(x: Tensor) -> bool:
    return x.dtype == torch.float32 and x.device.type == "cpu" and _has_onednn()


@cache
def _has_onednn() -> bool:
    """Whether PyTorch has these operations, and the processor is one on which they pay."""
    told = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else platform.processor()
    return (
        "AuthenticAMD" in told
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and torch.backends.mkldnn.is_available()
        and all(hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight"))
    )
