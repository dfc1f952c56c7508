"""Writes hand-set weights into a Llama-shaped model, as linear functions of named coordinates of the residual stream.

One coordinate is so large that it alone decides the root mean square of the residual stream. Therefore a
normalisation with the weight large/√size leaves every coordinate unchanged, and a multiple of this coordinate is a
constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, sin, sqrt
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

Weights = Mapping[int, float]
"""A linear function of the residual stream: the weight of each coordinate. The weight of `one` is a constant term."""

_SHARP, _STEEP = 32.0, 1024.0
"""The factors on the input of silu. With _SHARP it approximates a ramp, and with _STEEP it approximates max(0, ·).
Multiplying and dividing by powers of two is exact in every data type."""
_STILL = 1e-4
"""The angle per position, in radians, below which a rotary pair counts as unchanged."""
_FAST = 4
"""The number of rotary pairs that measure a distance. Together they have one clear maximum."""


class PlantedWeights:
    """Writes the weights of one model. The constructor sets all of them to zero, and their gradients are off.

    It also writes the normalisations that leave their input unchanged.
    """

    def __init__(self, model: LlamaForCausalLM, *, one: int, large: float) -> None:
        """`one` is the coordinate that has the value `large` at every position."""
        config = model.config
        self._model, self._one, self._large = model.requires_grad_(False), one, large
        self._layers = model.model.layers
        self._head_size = config.head_dim
        self._heads_per_group = config.num_attention_heads // config.num_key_value_heads
        self._rope_theta = config.rope_parameters["rope_theta"]
        self._neurons = [0] * config.num_hidden_layers
        for weight in model.parameters():
            weight.zero_()
        norms = [norm for layer in self._layers for norm in (layer.input_layernorm, layer.post_attention_layernorm)]
        for norm in [*norms, model.model.norm]:
            norm.weight.fill_(large / sqrt(config.hidden_size))

    def embed(self, features: Mapping[int, Mapping[int, float]]) -> None:
        """Write the embeddings: for each token id, the value of each coordinate. The value of `one` is `large`."""
        table = self._model.model.embed_tokens.weight
        for token, values in features.items():
            table[token, self._one] = self._large
            for coordinate, value in values.items():
                table[token, coordinate] = value

    def unembed(self, logits: Mapping[int, Weights]) -> None:
        """Write the unembedding: for each token id, its logit as a function of the residual stream."""
        for token, weights in logits.items():
            self._write(self._model.lm_head.weight[token], weights)

    def attend(self, layer: int, head: int, dim: int, query: Weights, key: Weights) -> None:
        """Add (query · residual of the row) × (key · residual of the column) to a head's attention logits.

        The rotary position embedding must leave the dimension `dim` of a head unchanged. With a large base this is true
        for the dimensions that it turns slowest; see `still`. The heads of one key-value group share their keys.
        """
        attention = self._layers[layer].self_attn
        self._write(attention.q_proj.weight[self._own(head, dim)], query, sqrt(self._head_size))
        self._write(attention.k_proj.weight[self._shared(head, dim)], key)

    def still(self) -> list[int]:
        """Return the dimensions of a head that the rotary position embedding leaves unchanged, in order.

        It turns them by less than 1e-4 radians from one position to the next.
        """
        half = self._head_size // 2
        first = [i for i in range(half) if self._angle(i) < _STILL]
        return [*first, *(i + half for i in first)]

    def prefer_distance(self, layer: int, head: int, distance: int, strength: float) -> None:
        """Add a function of the distance from row to column to a head's attention logits. Its maximum is at `distance`.

        The term is strength · Σ cos(angle · (d − distance)), the sum over the first four rotary pairs. `angle` is what
        the rotary position embedding turns the pair from one position to the next. Use only dimensions above these for
        other terms of the head. The heads of one key-value group share their keys.
        """
        attention, half = self._layers[layer].self_attn, self._head_size // 2
        for i in range(_FAST):
            turn = self._angle(i) * distance
            for dim, part in ((i, cos(turn)), (i + half, -sin(turn))):
                row = attention.q_proj.weight[self._own(head, dim)]
                self._write(row, {self._one: strength * part}, sqrt(self._head_size))
            self._write(attention.k_proj.weight[self._shared(head, i)], {self._one: 1.0})

    def prefer_near(self, layer: int, head: int, slope: float = 20.0) -> None:
        """Subtract `slope` from a head's attention logits for each position of distance.

        The exact term is −(slope / angle) · sin(angle · distance). The rotary position embedding turns dimension 1 by
        `angle` from one position to the next.
        """
        attention = self._layers[layer].self_attn
        angle = self._angle(1)
        query = attention.q_proj.weight[self._own(head, 1)]
        key = attention.k_proj.weight[self._shared(head, 1 + self._head_size // 2)]
        self._write(query, {self._one: -slope / angle}, sqrt(self._head_size))
        self._write(key, {self._one: 1.0})

    def copy(self, layer: int, head: int, source: Sequence[int], target: Sequence[int], weight: float = 1.0) -> None:
        """Add `weight` × the head's attended value of each source coordinate to its target coordinate.

        A head has room for as many sources as it has dimensions. The heads of one key-value group share their values,
        so they copy from the same sources.
        """
        for dim, (coordinate, goal) in enumerate(zip(source, target, strict=True)):
            self.set_value(layer, head, dim, {coordinate: 1.0})
            self.add_output(layer, head, dim, goal, weight)

    def set_value(self, layer: int, head: int, dim: int, source: Weights) -> None:
        """Set the dimension `dim` of a head's values to source · residual.

        The heads of one key-value group share their values.
        """
        assert dim < self._head_size
        self._write(self._layers[layer].self_attn.v_proj.weight[self._shared(head, dim)], source)

    def add_output(self, layer: int, head: int, dim: int, target: int, weight: float = 1.0) -> None:
        """Add `weight` × the dimension `dim` of a head's output to the coordinate `target`."""
        self._layers[layer].self_attn.o_proj.weight[target, self._own(head, dim)] += weight

    def ramp(self, layer: int, inputs: Weights, bias: float, target: int) -> None:
        """Add clamp(inputs · residual + bias + ½, 0, 1) to the target coordinate."""
        for edge, sign in ((0.5, 1.0), (-0.5, -1.0)):
            gate = {coordinate: _SHARP * weight for coordinate, weight in inputs.items()}
            gate[self._one] = _SHARP * (bias + edge)
            self.neuron(layer, gate, {self._one: 1.0}, {target: sign / _SHARP})

    def pass_on(self, layer: int, when: Weights, source: int, target: int, size: int) -> None:
        """Add max(0, when · residual) × the block of `size` coordinates at `source` to the block at `target`."""
        gate = {coordinate: _STEEP * weight for coordinate, weight in when.items()}
        for i in range(size):
            self.neuron(layer, gate, {source + i: 1.0}, {target + i: 1 / _STEEP})

    def neuron(self, layer: int, gate: Weights, up: Weights, down: Mapping[int, float]) -> None:
        """Write the next free SwiGLU neuron of a layer. It adds down × silu(gate · residual) × (up · residual)."""
        feed_forward, place = self._layers[layer].mlp, self._neurons[layer]
        self._write(feed_forward.gate_proj.weight[place], gate)
        self._write(feed_forward.up_proj.weight[place], up)
        for coordinate, weight in down.items():
            feed_forward.down_proj.weight[coordinate, place] = weight
        self._neurons[layer] += 1

    def _angle(self, dim: int) -> float:
        """Return the angle by which the rotary pair of a dimension turns from one position to the next, in radians."""
        return float(self._rope_theta ** (-2 * dim / self._head_size))

    def _own(self, head: int, dim: int) -> int:
        """Return the place of a head's dimension among the dimensions of all query heads."""
        return head * self._head_size + dim

    def _shared(self, head: int, dim: int) -> int:
        """Return the place of a head's dimension among the keys or values of all key-value groups."""
        return head // self._heads_per_group * self._head_size + dim

    def _write(self, row: Tensor, weights: Weights, scale: float = 1.0) -> None:
        """Set the weights that read the residual stream."""
        for coordinate, weight in weights.items():
            row[coordinate] = scale * weight / (self._large if coordinate == self._one else 1.0)
