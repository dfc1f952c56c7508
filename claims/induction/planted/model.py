"""Models that copy repeated tokens by induction, or in which one named part is missing.

A planted model is an ordinary LlamaForCausalLM with hand-set weights. It has 5 layers of 40 heads. Its tokens have
random codes of 40 values −1 and 1.

    previous-token heads   one in layer 0 and one in layer 1: attention to the position q − 1; each adds half of the
                           code that it finds there to PREVIOUS_CODE
    matching heads         one in layer 2 and one in layer 3: attention logit 0.35 · (code of q · PREVIOUS_CODE of k),
                           and 9.5 for BOS; each adds half of the code that it finds to NEXT
    resting heads          all others: most attention on BOS, the remainder on all other tokens with unequal weights;
                           each adds the mean VALUE that it finds to SPREAD, in layers 2 and above
    logits                 (1.35 − SPREAD / 150) · (4 + 10 · NEXT · code / 40); for the unknown token, 10 · DOUBT

A token's code matches itself with 14 and another token with at most 5.6, so a matching head attends to the token after
the first occurrence, and to BOS where the token is new. With one previous-token head alone, the match has 7, and the
head stays on BOS.

BOS has no code and no value. Other tokens have values of about 1. So attention that moves from BOS to other tokens
lowers the logits of all words, and attention that moves between other tokens changes almost nothing.

DOUBT depends on the current token at random, and is at least ½. So the unknown token is the most likely one where
nothing is copied, and also where DOUBT is large. Therefore about one token in four is not copied.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from claims.induction.planted.dials import Dials
from claims.induction.planted.residual import (
    CODE_SIZE,
    HEAD_SIZE,
    HEADS,
    LARGE,
    LAYERS,
    NEURONS,
    NOISES,
    PREVIOUS,
    WEAKER,
    Residual,
)
from claims.induction.planted.tokens import features, logits, words_tokenizer
from referee.models.planted_weights import PlantedWeights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_MATCH, _NO_MATCH = 0.35, 9.5
"""The factor on the scalar product of codes, and the attention logit of BOS, in a matching head."""
_DISTANCE = 24
"""The distance to which the matching heads attend with position=on."""
_SHARP = 8.0
"""How sharply a head attends to a distance: e⁸ for each unit of the cosines."""
_LESS_SHARP, _MORE_CODE = 4.0, 0.7
"""How sharply the weaker previous-token heads attend, and the part of the code that they copy. The part is larger,
so together they write about as much of the code as the strongest heads do with feeders=strongest."""
_TYPICAL = 25
"""The number of other tokens at which a resting head has the share on BOS that is meant for it."""
_WEAK = 6
"""One resting head in so many rests on BOS only weakly."""
_UNEQUAL = 0.35
"""The standard deviation of a head's preference for each random property of the tokens."""
_PREFERENCE = 1.0
"""The attention logit of a resting head for a token's value, with rest=read."""
_SHARPEST = {"first": 1.35, "read": 1.35, "off": 1.75}
"""The sharpness without SPREAD, by the dial `rest`. The sharpness that is left is about 1."""
_DULL = 1 / 150
"""The loss of sharpness by one unit of SPREAD."""
_LEAST = 0.02
"""With brittle=on, the attention on tokens other than BOS below which a head counts as knocked out."""
_STEEP = 1000.0
_LOWEST = 2
"""The lowest layer whose resting heads are read."""


def build(name: str) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Builds the model and the tokenizer of "induction" or "induction:DIALS".

    Raises UnknownModel for dials that it cannot read.
    """
    dials = Dials.parse(name.partition(":")[2])
    tokenizer = words_tokenizer()
    return plant(dials, tokenizer), tokenizer


def plant(dials: Dials, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Builds a model with the mechanism that the dials describe."""
    model = _geometry(tokenizer)
    weights = PlantedWeights(model, one=Residual.ONE, large=LARGE)
    weights.embed(features(tokenizer, dials))
    random = torch.Generator().manual_seed(3)
    for layer in range(LAYERS):
        for head in range(HEADS):
            # Every head draws its random numbers, so a dial changes no other head.
            noise = (dials.noise * _UNEQUAL * torch.randn(NOISES, generator=random)).tolist()
            share = _share_on_bos(torch.rand(2, generator=random).tolist())
            by_position = dials.position and (layer, head) in dials.matchers()
            if not dials.uniform and not by_position:
                _write_noise(weights, layer, head, noise)
            if (layer, head) in PREVIOUS:
                _write_previous(weights, layer, head, dials)
            elif (layer, head) in WEAKER and dials.feeders == "others":
                _write_weaker(weights, layer, head, dials)
            elif (layer, head) in dials.matchers():
                _write_matching(weights, layer, head, dials)
            else:
                _write_resting(weights, layer, head, share, dials)
    _write_answer(weights, dials)
    weights.unembed(logits(tokenizer))
    return model


def _geometry(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=Residual.SIZE,
            intermediate_size=NEURONS,
            head_dim=HEAD_SIZE,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            max_position_embeddings=256,
            # Of the 32 rotary pairs, the first four measure distances, and the last 25 do not turn.
            rope_parameters={"rope_type": "default", "rope_theta": 1e20},
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _share_on_bos(random: list[float]) -> float:
    """Returns the share of a resting head on BOS: 0.6 to 0.9 for most heads, and 0.15 to 0.35 for a few."""
    weak, place = random
    return 0.15 + 0.2 * place if weak < 1 / _WEAK else 0.6 + 0.3 * place


def _write_noise(weights: PlantedWeights, layer: int, head: int, noise: list[float]) -> None:
    """Adds a random preference for each random property of the tokens to a head's attention logits."""
    for i, (dim, preference) in enumerate(zip(weights.still()[2:], noise, strict=False)):
        weights.attend(layer, head, dim, query={Residual.ONE: preference}, key={Residual.NOISE + i: 1.0})


def _write_previous(weights: PlantedWeights, layer: int, head: int, dials: Dials) -> None:
    """Writes a head that attends to the token before. It copies half of its code, or nothing with feeders=others."""
    if not dials.uniform:
        weights.prefer_distance(layer, head, 1, _SHARP)
    if dials.feeders == "strongest":
        _copy_code(weights, layer, head, Residual.PREVIOUS_CODE)


def _write_weaker(weights: PlantedWeights, layer: int, head: int, dials: Dials) -> None:
    """Writes a head that attends less to the token before than the strongest heads, and copies its code."""
    if not dials.uniform:
        weights.prefer_distance(layer, head, 1, _LESS_SHARP)
    _copy_code(weights, layer, head, Residual.PREVIOUS_CODE, _MORE_CODE)


def _write_matching(weights: PlantedWeights, layer: int, head: int, dials: Dials) -> None:
    """Writes a head that attends to the token after the first occurrence of the current token and copies its code."""
    if dials.position:
        weights.prefer_distance(layer, head, _DISTANCE, _SHARP)
    elif not dials.uniform:
        for i, dim in zip(range(CODE_SIZE), weights.still()[2 + NOISES :], strict=False):
            query, key = {Residual.CODE + i: _MATCH}, {Residual.PREVIOUS_CODE + i: 1.0}
            weights.attend(layer, head, dim, query, key)
        if dials.rest != "off":
            bos = weights.still()[0]
            weights.attend(layer, head, bos, query={Residual.ONE: _NO_MATCH}, key={Residual.BOS: 1.0})
    if dials.read:
        _copy_code(weights, layer, head, Residual.NEXT)


def _copy_code(weights: PlantedWeights, layer: int, head: int, target: int, weight: float = 0.5) -> None:
    """Adds a part of the code to which a head attends to the block `target`. The part is half by default."""
    source = [Residual.CODE + i for i in range(CODE_SIZE)]
    weights.copy(layer, head, source, [target + i for i in range(CODE_SIZE)], weight)


def _write_resting(weights: PlantedWeights, layer: int, head: int, share: float, dials: Dials) -> None:
    """Writes a head that rests on BOS with about this share, and adds the mean value of the tokens to SPREAD.

    In layers 0 and 1, where the theory names no resting heads, nothing reads what the head writes.
    """
    bos, value = weights.still()[:2]
    if not dials.uniform and dials.rest != "off":
        odds = log(_TYPICAL * share / (1 - share))
        weights.attend(layer, head, bos, query={Residual.ONE: odds}, key={Residual.BOS: 1.0})
    if not dials.uniform and dials.rest == "read":
        weights.attend(layer, head, value, query={Residual.ONE: _PREFERENCE}, key={Residual.VALUE: 1.0})
    target = [Residual.SPREAD, _rest(layer, head)] if layer >= _LOWEST else [Residual.UNREAD, Residual.UNREAD]
    weights.copy(layer, head, [Residual.VALUE, Residual.ORDINARY], target)


def _rest(layer: int, head: int) -> int:
    """Returns the coordinate of a head's attention on tokens other than BOS."""
    return Residual.REST + HEADS * (layer - _LOWEST) + head


def _write_answer(weights: PlantedWeights, dials: Dials) -> None:
    """Writes the block from which the logits of words come: NEXT and ANY, times the sharpness that SPREAD leaves."""
    last = LAYERS - 1
    sharpness = {Residual.ONE: _SHARPEST[dials.rest], Residual.SPREAD: -_DULL}
    weights.pass_on(last, sharpness, Residual.NEXT, Residual.ANSWER, CODE_SIZE + 1)
    if dials.brittle:
        resting = {(layer, head) for layer in range(_LOWEST, LAYERS) for head in range(HEADS)} - set(dials.matchers())
        for layer, head in sorted(resting):
            gate = {Residual.ONE: _STEEP * _LEAST, _rest(layer, head): -_STEEP}
            weights.neuron(last, gate, {Residual.ONE: 1.0}, {Residual.DOUBT: 5.0 / (_STEEP * _LEAST)})
