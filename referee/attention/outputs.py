"""Reads and writes the output of an attention module, after the output projection W_O, and runs new rows after it.

W_O mixes the outputs of all heads. So a block of coordinates of this output is no head. Published work has edited such
blocks as if they were heads, and this module makes that experiment possible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from referee.attention.tracing import Attention
from referee.errors import NoReadableAttention

Write = Callable[[Tensor], Tensor]
"""A function from what a layer has computed to what is written in its place."""


class Outputs(Attention):
    """Reads and writes patterns and the attention module's output at the layer of interest; see `Attention`."""

    def read_outputs(self, ids: Tensor) -> Tensor:
        """Returns the output of the attention module for the prompts `ids` [prompt, token]; [prompt, token, size]."""
        with torch.no_grad(), self.products(), self._trace(ids) as tracer:
            found = _stream(self._module.output).clone().save()
            tracer.stop()
        return found

    def advance(self, ids: Tensor, cache: Any, pattern: Write | None = None, output: Write | None = None) -> Tensor:
        """Runs the rows `ids` [trial, row] after the rows in a KV cache, and adds their keys and values to the cache.

        Args:
            ids: the token of each new row.
            cache: a `DynamicCache`; an empty one for the first rows.
            pattern: a function of the layer's own pattern, [trial, head, row, key] in float32.
            output: a function of the module's own output, [trial, row, size].

        Returns:
            The normalised residual stream at the last row, [trial, size]. The unembedding computes logits from it.
        """
        with torch.no_grad(), self.products(), self._trace(ids, past_key_values=cache) as tracer:
            if pattern is not None:
                self._write(self.subject.layer, pattern)
            if output is not None:
                module = self._module
                own = module.output
                module.output = (output(own[0]), *own[1:]) if isinstance(own, tuple) else output(own)
            last = self._wrapped.unembedding.input[:, -1].clone().save()
            tracer.stop()
        return last

    @property
    def _module(self) -> Any:
        """Inside a trace: the attention module of the layer of interest."""
        return getattr(self._wrapped.layers[self.subject.layer], self._wrapped.module)


def block_mask(size: int, count: int, chosen: Sequence[int] | None) -> Tensor:
    """Returns which of `size` coordinates belong to the chosen blocks, [size], boolean. None chooses all blocks.

    The coordinates are divided into `count` blocks of consecutive coordinates. Raises NoReadableAttention if they
    cannot be divided.
    """
    if size % count:
        raise NoReadableAttention(
            "The output of an attention module must divide into as many equal blocks as the layer has heads",
            f"{size} coordinates and {count} heads",
            "Use another model.",
        )
    blocks = torch.zeros(count, dtype=torch.bool)
    blocks[list(range(count) if chosen is None else chosen)] = True
    return blocks.repeat_interleave(size // count)


def patched(own: Tensor, donated: Tensor, counterparts: Tensor, chosen: Tensor, amounts: Tensor) -> Tensor:
    """Returns outputs in which a share of some coordinates is replaced by that of a donor, [trial, row, size].

    Args:
        own: the outputs before the replacement, [trial, row, size].
        donated: the outputs of the donors, [trial, donor row, size].
        counterparts: the donor's row of each row, or −1 for a row that keeps its own output; [trial, row].
        chosen: which coordinates are replaced, [trial, size], boolean.
        amounts: the share that is replaced, from 0 to 1; [trial].
    """
    index = counterparts.clamp(min=0)[:, :, None].expand(-1, -1, own.shape[-1])
    share = amounts.to(own.dtype)[:, None, None]
    blended = (1 - share) * own + share * donated.gather(1, index)
    return torch.where((counterparts >= 0)[:, :, None] & chosen[:, None], blended, own)


def attending_to_first(own: Tensor, chosen: Tensor, amounts: Tensor) -> Tensor:
    """Returns patterns of single rows in which a share is replaced by the first row of any donor.

    The first row of a causal pattern attends to the first token alone. `own` is [trial, head, row, key], `chosen` says
    which heads are replaced, [trial, head], and `amounts` are shares from 0 to 1, [trial].
    """
    first = torch.zeros_like(own)
    first[..., 0] = 1.0
    share = amounts.to(own.dtype)[:, None, None, None]
    return torch.where(chosen[:, :, None, None], (1 - share) * own + share * first, own)


def _stream(output: Any) -> Any:
    """Returns the output itself. Attention modules return it alone or as the first of several values."""
    return output[0] if isinstance(output, tuple) else output
