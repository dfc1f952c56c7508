"""The layers from the layer of interest on, in plain PyTorch, for Llama-shaped models: the same numbers, sooner.

Rows before the first one that an edit changes are those of the unedited prompt, in every layer: attention looks back
only. Their keys and values are computed once a prompt. Key and value projections are one product; weights are laid out
for many products; layers above the edited one use the fused attention kernel; the last layer computes its last row
alone.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional

from bandwidth import products
from bandwidth.attention import Readout
from bandwidth.keys import Keys, KeysValues
from bandwidth.products import Product
from bandwidth.subjects import Subject

_BLOCK = 2048
_MODELS = ("LlamaForCausalLM",)
_built: WeakKeyDictionary[Any, Tail] = WeakKeyDictionary()


class Tail:
    """A Llama-shaped model from any layer on."""

    @classmethod
    def can_run(cls, subject: Subject) -> bool:
        """Whether the model has just the shape that is computed here."""
        return type(subject.model).__name__ in _MODELS

    @classmethod
    def of(cls, subject: Subject) -> Tail:
        """The tail of a subject's model, made once, of the weights that it has then."""
        if subject.model not in _built:
            _built[subject.model] = cls(subject)
        return _built[subject.model]

    def __init__(self, subject: Subject) -> None:
        model = subject.model.model
        self._plain, self._heads, self._kv_heads = model.layers, subject.n_heads, subject.n_kv_heads
        self._layers: dict[int, _Layer] = {}
        self._working = [k for k in range(subject.n_layers) if k not in subject.idle_layers]
        self._norm, self._rotary = model.norm, model.rotary_emb
        self._unembedding = subject.model.get_output_embeddings()

    def run(self, layer: int, hidden: Tensor, which: Tensor, patterns: Tensor, start: int, before: Keys) -> Readout:
        """As `Attention.run`, computing rows from `start` on.

        Args:
            hidden: before the layer, [prompt, token, size].
            which: each trial's prompt, [trial].
            patterns: in the layer, [trial, head, query, key].
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
                new = here.keys(here.into(hidden), turn)
                keys = _joined(before[k], new, which) if start else new
                if k == above[-1]:
                    hidden, turn = hidden[:, -1:], tuple(part[:, -1:] for part in turn)
                hidden = here(hidden, turn, keys)
            final = self._norm(hidden[:, -1])
            return Readout(final, norm, self._most_likely(final))

    def lay_out(self, layer: int) -> None:
        """Lays out the weights from a layer on, where that has not been done; before threads share them."""
        for k in (layer, *(k for k in self._working if k > layer)):
            if k not in self._layers:
                self._layers[k] = _Layer(self._plain[k], self._heads, self._kv_heads)

    def _most_likely(self, final: Tensor) -> Tensor:
        """The token with the highest logit, [trial]; a block of the vocabulary at a time, which stays in the cache."""
        weight, bias = self._unembedding.weight, self._unembedding.bias
        weights = weight.split(_BLOCK)
        biases = [None] * len(weights) if bias is None else bias.split(_BLOCK)
        best = [products.linear(final, *block).max(-1) for block in zip(weights, biases, strict=True)]
        logits, tokens = torch.stack([b.values for b in best]), torch.stack([b.indices for b in best])
        block = logits.argmax(0)
        return tokens.gather(0, block[None])[0] + _BLOCK * block

    def _turn(self, hidden: Tensor) -> tuple[Tensor, ...]:
        return self._rotary(hidden, torch.arange(hidden.shape[1], device=hidden.device)[None])


class _Layer:
    """One layer, its key and value projections as one product."""

    def __init__(self, layer: Any, heads: int, kv_heads: int) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.into, self._between = layer.input_layernorm, layer.post_attention_layernorm
        self._query, self._out, self._values = map(_product, (attention.q_proj, attention.o_proj, attention.v_proj))
        self._keys_values = _product(attention.k_proj, attention.v_proj)
        self._gate, self._up, self._down = map(_product, (mlp.gate_proj, mlp.up_proj, mlp.down_proj))
        self._activation, self._heads, self._kv_heads = mlp.act_fn, heads, kv_heads

    def edited(self, hidden: Tensor, pattern: Tensor, start: int, which: Tensor) -> Tensor:
        """Rows from `start` on after the layer, [trial, token, size], with a written pattern."""
        values = _by_head(self._values(self.into(hidden)), self._kv_heads)
        values = values.repeat_interleave(self._heads // self._kv_heads, 1)
        return self._rest(_of(hidden[:, start:], which), pattern[:, :, start:] @ _of(values, which))

    def keys(self, entering: Tensor, turn: tuple[Tensor, ...]) -> KeysValues:
        """Keys and values of the normalised rows."""
        key, value = self._keys_values(entering).chunk(2, dim=-1)
        return _turned(_by_head(key, self._kv_heads), turn), _by_head(value, self._kv_heads)

    def __call__(self, hidden: Tensor, turn: tuple[Tensor, ...], keys: KeysValues) -> Tensor:
        """The last rows after the layer, which see all rows whose keys there are."""
        query = _turned(_by_head(self._query(self.into(hidden)), self._heads), turn)
        rows, columns = query.shape[2], keys[0].shape[2]
        seen = torch.ones(rows, columns, dtype=torch.bool, device=query.device).tril(columns - rows)
        mixed = functional.scaled_dot_product_attention(
            query, *keys, attn_mask=seen, enable_gqa=self._heads != self._kv_heads
        )
        return self._rest(hidden, mixed)

    def _rest(self, hidden: Tensor, mixed: Tensor) -> Tensor:
        hidden = self._out.plus(mixed.transpose(1, 2).flatten(2), hidden)
        entering = self._between(hidden)
        return self._down.plus(self._up.times(entering, self._activation(self._gate(entering))), hidden)


def _of(each: Tensor, which: Tensor) -> Tensor:
    """Each trial's, [trial, …] of [prompt, …]; without a copy where there is one prompt."""
    return each.expand(len(which), *each.shape[1:]) if len(each) == 1 else each[which]


def _joined(early: KeysValues, late: KeysValues, which: Tensor) -> KeysValues:
    keys, values = (torch.cat((_of(e, which), n), dim=2) for e, n in zip(early, late, strict=True))
    return keys, values


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
