"""Computes float32 matrix products with oneDNN where oneDNN is faster than MKL, the default of PyTorch.

oneDNN is part of PyTorch. MKL uses its AVX-512 kernels only on Intel processors. On AMD processors, oneDNN is up to
1.5 times as fast. Both libraries add in float32, but in a different order. So the last digit of a result can differ.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


def quick() -> AbstractContextManager[object]:
    """Returns a context manager. Inside it, linear layers of this thread use oneDNN where oneDNN is faster.

    Outside it, nothing changes.
    """
    return _ByOneDNN() if _pays() else nullcontext()


class _ByOneDNN(TorchFunctionMode):
    """Replaces `functional.linear` by the operation of oneDNN, except where gradients are needed."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is functional.linear and not torch.is_grad_enabled() and not kwargs and _fits(*args):
            x, weight, bias = (*args, None)[:3]
            return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))


def _fits(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    """Returns whether a linear layer is in float32 and on the CPU."""
    return x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu"


@cache
def _pays() -> bool:
    """Returns whether PyTorch has this operation and it is faster on this processor: an AMD processor with AVX-512."""
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else platform.processor()
    return (
        "AuthenticAMD" in cpuinfo
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
