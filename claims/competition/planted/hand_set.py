"""Tools that write a small program into a Llama-shaped model as hand-set weights.

The residual stream is a table of named coordinates. The coordinate ONE is so large (LARGE) that it alone decides the
root mean square. Therefore a normalisation with weight LARGE/√size leaves every coordinate unchanged. A constant is a
multiple of ONE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING

from torch import Tensor

from referee.models.small_tokenizer import END_OF_TURN, UNKNOWN

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

LAYERS, HEADS, HEAD_SIZE = 12, 32, 8
LAYER = 4
"""The layer of interest of a model with LAYERS layers. It is in proportion to layer 10 of 32."""
LARGE = 1000.0
CODE_SIZE = 33
"""The size of a number token's code. The code is one-hot: 3 values for the length and 10 for each of three digits."""
_SHARP, _STEEP = 40.0, 1000.0
"""The factors on the input of silu. With _SHARP it approximates a ramp, and with _STEEP it approximates max(0, ·)."""
_RULER = 1e-3
"""The angle in radians by which the second rotary pair turns from one position to the next."""


class Residual:
    """The coordinate of each quantity in the residual stream. The name of a block is its first coordinate."""

    ONE, PUNCTUATION, WORD, BOS, OTHER, NUMBER, DIGIT, POINT, GAP, LEAD, AFTER, DECIMAL, VERSION, DECISION = range(14)
    SHARE = 14
    ACTIVE = SHARE + HEADS
    CODE = ACTIVE + HEADS
    BY_DECIMAL = CODE + CODE_SIZE
    BY_VERSION = BY_DECIMAL + CODE_SIZE
    INTEGER = BY_VERSION + CODE_SIZE
    CHOSEN = INTEGER + CODE_SIZE
    HUNCH = CHOSEN + CODE_SIZE
    NOWHERE = HUNCH + 1
    SIZE = 288


def code(number: str) -> list[float]:
    """Return the one-hot code of a number token, [CODE_SIZE].

    The scalar product of a code with itself is 1 + the number's length. The product with any other code is smaller.
    """
    found = [0.0] * CODE_SIZE
    found[len(number) - 1] = 1.0
    for place, digit in enumerate(number):
        found[3 + 10 * place + int(digit)] = 1.0
    return found


def features(token: str) -> dict[int, float]:
    """Return the embedding of a token, as values by residual coordinate.

    The values describe the token's category. For a number they also describe its value as the fraction of a decimal and
    its value as a version part.
    """
    if re.fullmatch(r"\d+", token):
        # A small value of OTHER gives different pairs of numbers slightly different attention, as in any real model.
        quirk = 0.002 * ((int(token) * 37) % 101 / 50 - 1)
        said = {Residual.NUMBER: 1.0, Residual.DIGIT: 1.0, Residual.OTHER: quirk}
        said |= {Residual.DECIMAL: int(token) / 10 ** len(token), Residual.VERSION: int(token) / 1000}
        return said | {Residual.CODE + i: x / (1 + len(token)) for i, x in enumerate(code(token)) if x}
    if token == ".":
        return {Residual.NUMBER: 1.0, Residual.POINT: 1.0}
    if token == "<|begin_of_text|>":
        return {Residual.BOS: 1.0}
    if token in (":", "?"):
        return {Residual.PUNCTUATION: 1.0, Residual.LEAD: 1.0}
    if token.strip() in ("", "or", END_OF_TURN, UNKNOWN):
        return {Residual.OTHER: 1.0} | ({Residual.GAP: 1.0} if token.strip() == "" else {})
    is_word = token.strip().isalpha() or token.startswith("<|")
    return {Residual.WORD if is_word else Residual.PUNCTUATION: 1.0}


def embed(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the token embeddings, and the normalisations that leave their input unchanged."""
    table = model.model.embed_tokens.weight
    for token, i in tokenizer.get_vocab().items():
        table[i, Residual.ONE] = LARGE
        for coordinate, value in features(token).items():
            table[i, coordinate] = value
    norms = [norm for layer in model.model.layers for norm in (layer.input_layernorm, layer.post_attention_layernorm)]
    for norm in [*norms, model.model.norm]:
        norm.weight.fill_(LARGE / sqrt(Residual.SIZE))


def read_out(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the unembedding.

    A number's logit comes from its code. A space follows a colon or a question mark, a point follows an integer, and
    the end of the turn follows a fraction. The logit of UNKNOWN depends on the heads' shares.
    """
    table = model.lm_head.weight
    follows = {
        " ": {Residual.LEAD: 5.0},
        ".": {Residual.DIGIT: 5.0, Residual.AFTER: -10.0},
        END_OF_TURN: {Residual.DIGIT: 8.0, Residual.AFTER: 8.0, Residual.ONE: -10.0},
        UNKNOWN: {Residual.SHARE + head: 1.0 for head in range(HEADS)} | {Residual.ONE: -200.0},
    }
    for token, i in tokenizer.get_vocab().items():
        if re.fullmatch(r"\d+", token):
            _write(table[i], {Residual.CHOSEN + k: 10.0 * x for k, x in enumerate(code(token))})
        _write(table[i], follows.get(token, {}))


class Circuit:
    """Writes attention and feed-forward weights that are given by residual coordinates."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        self._layers = model.model.layers
        self._neurons = [0] * LAYERS

    def attend(self, layer: int, head: int, dim: int, query: Mapping[int, float], key: Mapping[int, float]) -> None:
        """Add (query · residual of the row) × (key · residual of the column) to a head's attention logits.

        `dim` is 2, 3, 6 or 7: the rotary position embedding leaves these dimensions unchanged. The heads of one
        key-value group share their keys.
        """
        attention = self._layers[layer].self_attn
        _write(attention.q_proj.weight[head * HEAD_SIZE + dim], query, sqrt(HEAD_SIZE))
        _write(attention.k_proj.weight[head // 4 * HEAD_SIZE + dim], key)

    def prefer_near(self, layer: int, head: int) -> None:
        """Subtract 20 from a head's attention logits for each position of distance.

        The exact term is −2·10⁴ · sin(distance / 1000).
        """
        attention = self._layers[layer].self_attn
        _write(attention.q_proj.weight[head * HEAD_SIZE + 1], {Residual.ONE: -20.0 / _RULER}, sqrt(HEAD_SIZE))
        _write(attention.k_proj.weight[head // 4 * HEAD_SIZE + 5], {Residual.ONE: 1.0})

    def copy(self, layer: int, head: int, source: Sequence[int], target: Sequence[int], weight: float = 1.0) -> None:
        """Add `weight` × the head's attended value of each source coordinate to its target coordinate.

        There are at most eight sources. The heads of one key-value group share their values, so they copy from the
        same sources.
        """
        attention = self._layers[layer].self_attn
        for dim, (coordinate, goal) in enumerate(zip(source, target, strict=True)):
            attention.v_proj.weight[head // 4 * HEAD_SIZE + dim, coordinate] = 1.0
            attention.o_proj.weight[goal, head * HEAD_SIZE + dim] += weight

    def heads_of_a_copy(self, which: int) -> list[int]:
        """Return the heads that together move a whole code. There is one in each of five key-value groups."""
        return [4 * group + which for group in range(-(-CODE_SIZE // HEAD_SIZE))]

    def copy_code(self, layer: int, which: int, target: int) -> None:
        """Add a number's code to the block `target`. It is the number to which the heads of the copy attend."""
        for part, head in enumerate(self.heads_of_a_copy(which)):
            places = range(HEAD_SIZE * part, min(CODE_SIZE, HEAD_SIZE * (part + 1)))
            self.copy(layer, head, [Residual.CODE + i for i in places], [target + i for i in places])

    def ramp(self, layer: int, inputs: Mapping[int, float], bias: float, target: int) -> None:
        """Add clamp(inputs · residual + bias + ½, 0, 1) to the target coordinate."""
        for edge, sign in ((0.5, 1.0), (-0.5, -1.0)):
            gate = {coordinate: _SHARP * weight for coordinate, weight in inputs.items()}
            gate[Residual.ONE] = _SHARP * (bias + edge)
            self._neuron(layer, gate, {Residual.ONE: 1.0}, {target: sign / _SHARP})

    def pass_on(self, layer: int, when: Mapping[int, float], source: int, target: int) -> None:
        """Add max(0, when · residual) × the block `source` to the block `target`."""
        gate = {coordinate: _STEEP * weight for coordinate, weight in when.items()}
        for i in range(CODE_SIZE):
            self._neuron(layer, gate, {source + i: 1.0}, {target + i: 1 / _STEEP})

    def _neuron(
        self, layer: int, gate: Mapping[int, float], up: Mapping[int, float], down: Mapping[int, float]
    ) -> None:
        """Write one SwiGLU neuron, which adds down × silu(gate · residual) × (up · residual)."""
        feed_forward, place = self._layers[layer].mlp, self._neurons[layer]
        _write(feed_forward.gate_proj.weight[place], gate)
        _write(feed_forward.up_proj.weight[place], up)
        for coordinate, weight in down.items():
            feed_forward.down_proj.weight[coordinate, place] = weight
        self._neurons[layer] += 1


def _write(row: Tensor, weights: Mapping[int, float], scale: float = 1.0) -> None:
    """Set the weights that read the residual stream. The weight of ONE is divided by LARGE, so it is a constant."""
    for coordinate, weight in weights.items():
        row[coordinate] = scale * weight / (LARGE if coordinate == Residual.ONE else 1.0)
