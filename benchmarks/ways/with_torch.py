"""What no way can be faster than: the matrix products of the rows and layers that an edit changes, and no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig

from benchmarks.work import Sweep
from referee.measuring.onednn import Product

_ROWS_AT_ONCE = (200, 600, 1200, 2400)


def floor(work: Sweep) -> Callable[[], Tensor]:
    """Every projection of every changed row above the layer, and of the layer what follows its pattern.

    Each shape in its own best batch of several, by the faster of PyTorch's products; the numbers mean nothing.
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
    works = [
        (*_fastest(torch.randn(outs, ins)), rows * times + last, ins * outs) for (ins, outs), times in shapes.items()
    ]

    def do() -> Tensor:
        flops = 0
        for multiply, held, needed, weights in works:
            for _ in range(round(needed / len(held))):
                multiply(held)
            flops += 2 * needed * weights
        return torch.tensor([flops / len(work.patterns)])

    return do


def _fastest(weight: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """How to multiply a weight [out, in], and with how many rows at once."""
    ways = [partial(functional.linear, weight=weight), torch.inference_mode()(Product(weight))]
    choices = [(way, torch.randn(rows, weight.shape[1])) for way in ways for rows in _ROWS_AT_ONCE]
    return min(choices, key=lambda choice: _cost(*choice))


def _cost(multiply: Callable[[Tensor], Tensor], held: Tensor) -> float:
    """Seconds a row."""
    times = []
    for _ in range(9):
        began = time.perf_counter()
        multiply(held)
        times.append(time.perf_counter() - began)
    return sorted(times)[4] / len(held)


def _first_changed(patterns: Tensor) -> int:
    """The first row in which any two trials differ."""
    differ = (patterns != patterns[:1]).any(-1).any(1).any(0)
    return int(differ.nonzero()[0])
