"""The layers from the layer of interest on, in plain PyTorch, for Llama-shaped models: the same numbers, sooner.

Rows before the first one that an edit changes are those of the unedited prompt, in every layer: attention looks back
only. Their keys and values are computed once a prompt, and where all trials of a batch see the same ones, in one
product. Weights are laid out for many products; layers above the edited one use the fused attention kernel; after its
attention, the last layer computes its last row alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bandwidth.attention import Readout
from bandwidth.belongings import belonging
from bandwidth.keys import Keys, KeysValues
from bandwidth.products import Product
from bandwidth.subjects import Subject

_MODELS = ("LlamaForCausalLM",)


class Tail:
    """A Llama-shaped model from any layer on."""

    @classmethod
    def can_run(cls, subject: Subject) -> bool:
        """Whether the model has just the shape that is computed here."""
        return type(subject.model).__name__ in _MODELS

    @classmethod
    def of(cls, subject: Subject) -> Tail:
        """The tail of a subject's model, made once, of the weights that it has then."""
        return belonging(subject.model, "tail", lambda: cls(subject))

    def __init__(self, subject: Subject) -> None:
        model = subject.model.model
        self._plain, self._heads, self._kv_heads = model.layers, subject.n_heads, subject.n_kv_heads
        self._layers: dict[int, _Layer] = {}
        self._working = [k for k in range(subject.n_layers) if k not in subject.idle_layers]
        self._norm, self._rotary = model.norm, model.rotary_emb

    def run(self, layer: int, hidden: Tensor, which: Tensor, patterns: Tensor, start: int, before: Keys) -> Readout:
        """As `Attention.run`, computing rows from `start` on.

        Args:
            hidden: before the layer, [prompt, token, size].
            which: each trial's prompt, [trial].
            patterns: in the layer, [trial, head, row, key], of the rows that are computed.
            start: the first row in which any trial's pattern is not the prompt's own, or an earlier one.
            before: the prompts' keys and values in the rows before.
        """
        with torch.inference_mode():
            turn = tuple(part[:, start:] for part in self._turn(hidden))
            hidden = self._layers[layer].edited(hidden, patterns, start, which)
            norm = hidden[:, -1].float().norm(dim=-1)
            above = [k for k in self._working if k > layer]
            for k in above:
                here = self._layers[k]
                query, own = here.attention(hidden, turn)
                if k == above[-1]:
                    hidden, query = hidden[:, -1:], query[:, :, -1:]
                hidden = here.after(hidden, _attended(query, own, before[k] if start else None, which))
            return Readout(self._norm(hidden[:, -1]), norm)

    def lay_out(self, layer: int) -> None:
        """Lays out the weights from a layer on, where that has not been done; before threads share them."""
        for k in (layer, *(k for k in self._working if k > layer)):
            if k not in self._layers:
                self._layers[k] = _Layer(self._plain[k], self._heads, self._kv_heads)

    def _turn(self, hidden: Tensor) -> tuple[Tensor, ...]:
        return self._rotary(hidden, torch.arange(hidden.shape[1], device=hidden.device)[None])


class _Layer:
    """One layer; its queries, keys and values are one product."""

    def __init__(self, layer: Any, heads: int, kv_heads: int) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._before, self._between = layer.input_layernorm, layer.post_attention_layernorm
        self._projections = _product(attention.q_proj, attention.k_proj, attention.v_proj)
        self._values, self._out = map(_product, (attention.v_proj, attention.o_proj))
        self._gate, self._up, self._down = map(_product, (mlp.gate_proj, mlp.up_proj, mlp.down_proj))
        self._activation, self._heads, self._kv_heads = mlp.act_fn, heads, kv_heads

    def edited(self, hidden: Tensor, pattern: Tensor, start: int, which: Tensor) -> Tensor:
        """Rows from `start` on after the layer, [trial, token, size], with a written pattern."""
        values = _by_head(self._values(self._before(hidden)), self._kv_heads)
        values = values.repeat_interleave(self._heads // self._kv_heads, 1)
        return self.after(_of(hidden[:, start:], which), pattern @ _of(values, which))

    def attention(self, hidden: Tensor, turn: tuple[Tensor, ...]) -> tuple[Tensor, KeysValues]:
        """Queries, [trial, head, row, size], and keys and values of rows before the layer."""
        together = _by_head(self._projections(self._before(hidden)), self._heads + 2 * self._kv_heads)
        turned, value = together.tensor_split([self._heads + self._kv_heads], dim=1)
        query, key = _turned(turned, turn).tensor_split([self._heads], dim=1)
        return query, (key, value)

    def after(self, hidden: Tensor, mixed: Tensor) -> Tensor:
        """Rows after the layer, whose heads have mixed these values."""
        hidden = self._out.plus(mixed.transpose(1, 2).flatten(2), hidden)
        entering = self._between(hidden)
        return self._down.plus(self._up.times(entering, self._activation(self._gate(entering))), hidden)


def _of(each: Tensor, which: Tensor) -> Tensor:
    """Each trial's, [trial, …] of [prompt, …]; without a copy where there is one prompt."""
    return each.expand(len(which), *each.shape[1:]) if len(each) == 1 else each[which]


def _attended(query: Tensor, own: KeysValues, before: KeysValues | None, which: Tensor) -> Tensor:
    """What heads mix of the values of rows before and of a trial's own, [trial, head, row, size]; rows look back."""
    if before and len(before[0]) == 1 and before[0].shape[2] > own[0].shape[2]:
        return _attended_in_common(query, own, before)
    keys, values = own
    if before:
        keys, values = (torch.cat((_of(e, which), n), dim=2) for e, n in zip(before, own, strict=True))
    seen = _looking_back(query.shape[2], keys.shape[2]).to(query.device)
    gqa = query.shape[1] != keys.shape[1]
    return functional.scaled_dot_product_attention(query, keys, values, attn_mask=seen, enable_gqa=gqa)


def _attended_in_common(query: Tensor, own: KeysValues, before: KeysValues) -> Tensor:
    """As `_attended`, where all trials are of one prompt, and most of what they see is what they have in common.

    All queries then meet the common keys in one product, where otherwise each trial has a copy of them.
    """
    (own_keys, own_values), (keys, values) = own, (part[0] for part in before)
    rows, own_rows, group = query.shape[2], own_keys.shape[2], query.shape[1] // own_keys.shape[1]
    query = (query * query.shape[-1] ** -0.5).unflatten(1, (-1, group)).flatten(2, 3)
    unseen = ~_looking_back(rows, own_rows).to(query.device).repeat(group, 1)
    of_own = (query @ own_keys.transpose(2, 3)).masked_fill(unseen, -torch.inf)
    in_common = torch.einsum("thrs,hks->thrk", query, keys)
    pattern = torch.cat((in_common, of_own), dim=-1).softmax(-1)
    mixed = torch.einsum("thrk,hks->thrs", pattern[..., :-own_rows], values) + pattern[..., -own_rows:] @ own_values
    return mixed.unflatten(2, (group, rows)).flatten(1, 2)


def _looking_back(rows: int, columns: int) -> Tensor:
    """Which columns each of the last rows sees, [row, column]."""
    return torch.ones(rows, columns, dtype=torch.bool).tril(columns - rows)


def _product(*projections: Any) -> Product:
    """Projections of the same input as one."""
    weights, biases = [p.weight for p in projections], [p.bias for p in projections]
    if len(projections) == 1:
        return Product(weights[0], biases[0])
    return Product(torch.cat(weights), None if biases[0] is None else torch.cat(biases))


def _by_head(flat: Tensor, heads: int) -> Tensor:
    """[trial, head, token, size] from [trial, token, head × size]."""
    return flat.unflatten(-1, (heads, -1)).transpose(1, 2)


def _turned(x: Tensor, turn: tuple[Tensor, ...]) -> Tensor:
    """Rotary position (Su et al. 2021), halves as Llama's weights have them."""
    cos, sin = (part[:, None] for part in turn)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
