"""Matrix products in float32 by oneDNN, which is part of PyTorch, where they are faster than its default, MKL.

MKL keeps its AVX-512 kernels to Intel's processors; on AMD's, oneDNN is up to a half faster. Both add up in float32:
the order differs, and with it the last digit.
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
    """Inside, linear layers of this thread compute by oneDNN where that pays; they compute as ever outside."""
    return _ByOneDNN() if _pays() else nullcontext()


class _ByOneDNN(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is functional.linear and not torch.is_grad_enabled() and not kwargs and _fits(*args):
            x, weight, bias = (*args, None)[:3]
            return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))


def _fits(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    return x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu"


@cache
def _pays() -> bool:
    """Whether PyTorch has this operation, and the processor is one on which it is faster."""
    told = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else platform.processor()
    return (
        "AuthenticAMD" in told
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
