"""The floor: the matrix products of the rows and layers that an edit changes. No implementation can be faster."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig

from benchmarks.workloads import Sweep

_ROWS_AT_ONCE = (200, 600, 1200, 2400)
_TRIES = 9


def floor(workload: Sweep) -> Callable[[], Tensor]:
    """Returns a function that multiplies random numbers by every projection that the changed rows need.

    These are all projections of the layers above the edited one, and W_O and the MLP of the edited one. Each projection
    takes as many rows at once as are fastest. The function returns the floating-point operations of a trial, [1].
    """
    config = AutoConfig.from_pretrained(workload.folder)
    size, wide, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    keys = size // heads * config.num_key_value_heads
    above = config.num_hidden_layers - workload.layer - 1
    rows = (len(workload.ids) - _first_changed(workload.patterns)) * len(workload)
    shapes = {
        (size, size + 2 * keys): above,
        (size, size): above + 1,
        (size, 2 * wide): above + 1,
        (wide, size): above + 1,
    }
    # Only the last row of the last layer counts, although the keys and values of its other rows are necessary, too.
    last = len(workload) - rows
    products = [
        (*_fastest(torch.randn(outs, ins)), rows * times + last, ins * outs) for (ins, outs), times in shapes.items()
    ]

    @torch.no_grad()
    def compute() -> Tensor:
        operations = 0
        for weight, x, needed, numbers in products:
            for start in range(0, needed, len(x)):
                functional.linear(x[: needed - start], weight)
            operations += 2 * needed * numbers
        return torch.tensor([operations / len(workload)])

    return compute


@torch.no_grad()
def _fastest(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a weight [out, in], and as many rows [row, in] as are multiplied fastest."""
    choices = [torch.randn(rows, weight.shape[1]) for rows in _ROWS_AT_ONCE]
    return weight, min(choices, key=lambda x: _seconds_a_row(weight, x))


def _seconds_a_row(weight: Tensor, x: Tensor) -> float:
    """Returns the median time of one row of a product, in seconds."""
    times = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        functional.linear(x, weight)
        times.append(time.perf_counter() - began)
    return sorted(times)[_TRIES // 2] / len(x)


def _first_changed(patterns: Tensor) -> int:
    """Returns the first row in which two trials differ."""
    differ = (patterns != patterns[:1]).any(-1).any(1).any(0)
    return int(differ.nonzero()[0])
