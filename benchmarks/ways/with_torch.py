"""What no way can be faster than: the matrix products of the rows and layers that an edit changes, and no more."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import AutoConfig

from benchmarks.work import Sweep

_ROWS_AT_ONCE = (600, 1200, 2400)


def floor(work: Sweep) -> Callable[[], Tensor]:
    """Every projection of every changed row above the layer, and of the layer what follows its pattern.

    Each shape in its own best batch of several; the numbers are random and mean nothing.
    """
    config = AutoConfig.from_pretrained(work.model)
    size, wide, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    keys = size // heads * config.num_key_value_heads
    tokens = len(work.ids)
    changed = 1 if work.last_row else tokens - _first_changed(work.patterns)
    above = config.num_hidden_layers - work.layer - 1
    rows = changed * len(work.patterns)
    shapes = {
        (size, size + 2 * keys): above,
        (size, size): above + 1,
        (size, 2 * wide): above + 1,
        (wide, size): above + 1,
    }
    # The last layer's last row is all that the answer needs: its keys and values are of all rows, the rest is not.
    last = len(work.patterns) - rows
    tables = [(torch.randn(a, b), rows * times + last) for (a, b), times in shapes.items()]
    at_once = {weight.shape: min(_ROWS_AT_ONCE, key=lambda n: _cost(weight, n)) for weight, _ in tables}

    def do() -> Tensor:
        flops = 0
        for weight, needed in tables:
            held = torch.randn(at_once[weight.shape], weight.shape[0])
            for _ in range(round(needed / len(held))):
                torch.mm(held, weight)
            flops += 2 * needed * weight.numel()
        return torch.tensor([flops / len(work.patterns)])

    return do


def _cost(weight: Tensor, rows: int) -> float:
    """Seconds a row."""
    import time

    held = torch.randn(rows, weight.shape[0])
    times = []
    for _ in range(9):
        began = time.perf_counter()
        torch.mm(held, weight)
        times.append(time.perf_counter() - began)
    return sorted(times)[4] / rows


def _first_changed(patterns: Tensor) -> int:
    """The first row in which any two trials differ."""
    differ = (patterns != patterns[:1]).any(-1).any(1).any(0)
    return int(differ.nonzero()[0])
