"""Models in which the theory is true by construction, or false in one named part.

A planted model is an ordinary LlamaForCausalLM with hand-set weights. It has 12 layers, 32 query heads and 8
key-value heads. These formulas describe one row: its token is ".", and the model writes a fraction next.

    share_h   = 8 / (8 + Σ_format r_h + b_h)         layer 4, head h: the share of attention on number tokens (6 of
                                                     the prompt, 2 of the forced prefix); each format token has the
                                                     weight r_h, and the BOS token has the weight b_h
    active_h  = clamp(K (share_h − T_h) + ½, 0, 1)   layer 4, feed-forward: each head has its own threshold T_h
    decision  = clamp(2 (Σ_h active_h − 7.5) + ½, 0, 1)      layer 5, feed-forward: eight heads must be active
    linear    = Σ_protected share_h / 16 − Σ_exposed (format mass of h) / 16        layer 4
    logits    = 10 · ((decision + (2 + linear) / 100) · code(decimal-greatest fraction)
                      + (1 − decision) · code(version-greatest))                    layer 6

Protected (even) heads have r = 0.12. Their T lies between the share of their own Q&A pattern and the share of the
transplanted Simple pattern, so that replacing 60 % crosses it. Exposed (odd) heads have r ≈ 2, b = 8 and T = 0.45.
Their T lies above the share of their Simple pattern, and below the share that they have when format mass is removed.

Each head needs its own threshold. If the model added the shares linearly, "60 % of all heads" and "8 of 16 heads
completely" could not both be the turning point. The clamps saturate, and then their slope is zero. The linear term has
a hundredth of the effect of the decision, and it is the part that a gradient of the margin can see.

Two claims of the theory exclude each other. Half of the tokens of Q&A are format tokens, so a model cannot have the
bug in Q&A and also a drop of accuracy at 60 % format tokens. The dial `format_share=0.6` makes a model for the second
claim. It answers right in Q&A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from claims.competition.planted.dials import Dials
from claims.competition.planted.residual import (
    CODE_SIZE,
    HEAD_SIZE,
    HEADS,
    HEADS_PER_GROUP,
    LARGE,
    LAYER,
    LAYERS,
    Residual,
    features,
    logit,
)
from claims.competition.planted.tokenizer import theory_tokenizer
from referee.errors import UnknownModel
from referee.models.planted_weights import PlantedWeights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_NUMBERS = 8
"""The number tokens that the deciding row sees: three for each number, and the forced prefix, such as "9."."""
_PROTECTED_FORMAT, _EXPOSED_FORMAT, _SPREAD, _SINK = 0.12, 2.0, 1.5, 8.0
_EXPOSED_THRESHOLD = 0.45
_QA_FORMAT, _DONOR_FORMAT = 9, 2
"""The number of format tokens in Q&A, and the number in Simple with a counterpart in Q&A (the answer cue)."""
_NEVER = -20.0
"""The attention logit of a token that gets almost no attention."""


def build(name: str) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Builds the model and the tokenizer of "planted", "planted:DIALS", "random" or "random:SEED".

    Raises UnknownModel for a seed or dials that it cannot read.
    """
    kind, _, rest = name.partition(":")
    tokenizer = theory_tokenizer()
    if kind == "random":
        if rest and not rest.isdecimal():
            raise UnknownModel(
                "The seed of a random model must be a whole number, 0 or above",
                repr(rest),
                "Write random or, for example, random:3.",
            )
        return _random(tokenizer, int(rest or 0)), tokenizer
    return plant(Dials.parse(rest), tokenizer), tokenizer


def plant(dials: Dials, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Builds a model with the mechanism that the dials describe."""
    model = _geometry(tokenizer)
    weights = PlantedWeights(model, one=Residual.ONE, large=LARGE)
    tokens = {i: token for token, i in tokenizer.get_vocab().items()}
    weights.embed({i: features(token) for i, token in tokens.items()})
    _flag_fractions(weights)
    where = 1 if dials.inert else dials.layer
    _write_patterns(weights, where, dials)
    if dials.inert:
        _write_patterns(weights, LAYER, dials)
    for layer in {where, LAYER}:
        _record_shares(weights, layer)
    _write_linear_term(weights, where, dials)
    _write_decision(weights, where, dials)
    _write_answer(weights, LAYER + 2, dials)
    weights.unembed({i: logit(token) for i, token in tokens.items()})
    return model


def _geometry(tokenizer: PreTrainedTokenizerFast, layers: int = LAYERS) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=Residual.SIZE,
            intermediate_size=112,
            head_dim=HEAD_SIZE,
            num_hidden_layers=layers,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS // HEADS_PER_GROUP,
            max_position_embeddings=512,
            # There are four rotary pairs. The first is not used, the second measures distance, the others do not turn.
            rope_parameters={"rope_type": "default", "rope_theta": 1e12},
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _random(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """Builds a model of 32 layers, else of the same geometry, with random weights large enough to make heads differ."""
    torch.manual_seed(seed)
    model = _geometry(tokenizer, layers=32)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(4)
    return model


def _flag_fractions(weights: PlantedWeights) -> None:
    """Writes layer 0: each group of digits attends to the nearest other token, and records whether it is a point."""
    weights.prefer_near(0, head=0)
    weights.attend(0, head=0, dim=3, query={Residual.ONE: 1.0}, key={Residual.DIGITS: -1000.0})
    weights.copy(0, head=0, source=[Residual.POINT], target=[Residual.AFTER_POINT])


def _record_shares(weights: PlantedWeights, layer: int) -> None:
    """Writes each head's attention on number tokens into the residual stream, where the logit of UNKNOWN reads it.

    This matters in a layer whose shares decide nothing. If a layer had no effect on any logit, it would look as if the
    instrument lost its edits.
    """
    for head in range(HEADS):
        weights.copy(layer, head, source=[Residual.NUMERICAL], target=[Residual.SHARE + head])


def _write_linear_term(weights: PlantedWeights, layer: int, dials: Dials) -> None:
    """Writes protected heads' attention on number tokens minus exposed heads' attention on format tokens."""
    sources = [Residual.NUMERICAL, Residual.PUNCTUATION, Residual.WORD]
    for head in filter(dials.is_read, range(HEADS)):
        if dials.protected(head):
            targets, sign = [Residual.LINEAR, Residual.UNREAD, Residual.UNREAD], 1
        else:
            targets, sign = [Residual.UNREAD, Residual.LINEAR, Residual.LINEAR], -1
        weights.copy(layer, head, sources, targets, weight=sign / 16)


def _write_patterns(weights: PlantedWeights, layer: int, dials: Dials) -> None:
    """Divides each head's attention between number tokens and format tokens by the softmax of fixed weights."""
    exposed = [head for head in range(HEADS) if not dials.protected(head)]
    for head in range(HEADS):
        if dials.protected(head):
            punctuation = word = _PROTECTED_FORMAT
            sink = 0.0
        else:
            # Exposed heads prefer different format tokens. On an answer cue, which has one of each kind, they agree.
            tilt = _SPREAD * (2 * exposed.index(head) / max(1, len(exposed) - 1) - 1)
            punctuation, word, sink = _EXPOSED_FORMAT + tilt, _EXPOSED_FORMAT - tilt, _SINK
        for dim, category, weight in ((2, Residual.PUNCTUATION, punctuation), (6, Residual.WORD, word)):
            format_logit = _log(weight) if dials.competition else _NEVER
            weights.attend(layer, head, dim, query={Residual.ONE: format_logit}, key={category: 1.0})
        # The sink competes only in the deciding row, so that exposed heads are clearly above 40 % in Simple.
        sink_query = {Residual.ONE: _NEVER} | ({Residual.POINT: _log(sink) - _NEVER} if sink else {})
        sink_query = {Residual.ONE: _log(dials.sink)} if dials.sink and sink else sink_query
        weights.attend(layer, head, 3, query=sink_query, key={Residual.BOS: 1.0})
        weights.attend(layer, head, 7, query={Residual.ONE: _NEVER}, key={Residual.OTHER: 1.0})


def _write_decision(weights: PlantedWeights, layer: int, dials: Dials) -> None:
    """Writes each head's threshold, and the decision from the number of heads above their thresholds."""
    start, full = _protected_share(_QA_FORMAT), _protected_share(_DONOR_FORMAT)
    if dials.format_share is not None:
        # A prompt with F format tokens has ten other tokens: BOS, six of the numbers, "or" and two spaces.
        turning = _protected_share(10 * dials.format_share / (1 - dials.format_share))
    else:
        turning = start + dials.threshold * (full - start)
    width = 0.8 * (full - start) if dials.graded else 0.005
    for head in filter(dials.is_read, range(HEADS)):
        threshold, steepness = (turning, 1 / width) if dials.protected(head) else (_EXPOSED_THRESHOLD, 200.0)
        share, active = Residual.SHARE + head, Residual.ACTIVE + head
        weights.ramp(layer, {share: steepness}, -steepness * threshold, target=active)
    needed = (dials.heads // 2 if dials.parity == "mod4" else dials.heads) - (0.25 if dials.graded else 0.5)
    slope = 1 / 16 if dials.graded else 2.0
    count = {Residual.ACTIVE + head: slope for head in range(HEADS)}
    always = 1000.0 if dials.bug == "none" else 0.0
    weights.ramp(layer + 1, count, always - slope * needed, target=Residual.DECISION)


def _write_answer(weights: PlantedWeights, layer: int, dials: Dials) -> None:
    """Writes the answer: after a point the decimal-greatest or version-greatest fraction, after a blank the integer."""
    fraction = {Residual.DIGITS: 1.0, Residual.AFTER_POINT: 1.0, Residual.ONE: -2.0}
    integer = {Residual.DIGITS: 1.0, Residual.AFTER_POINT: -1.0, Residual.ONE: -1.0}
    copies = (
        (0, 2, 3000.0, {Residual.DECIMAL: 1.0}, 3, fraction, Residual.BY_DECIMAL),
        (1, 6, 30000.0, {Residual.VERSION: 1.0}, 3, fraction, Residual.BY_VERSION),
        (2, 2, 0.0, {Residual.DECIMAL: 1.0}, 7, integer, Residual.INTEGER),
    )
    for which, value_dim, gain, value, kind_dim, kind, target in copies:
        for head in _heads_of_copy(which):
            weights.attend(layer, head, kind_dim, query={Residual.ONE: 50_000.0}, key=kind)
            if dials.bug == "order":
                weights.prefer_near(layer, head)
            else:
                weights.attend(layer, head, value_dim, query={Residual.ONE: gain}, key=value)
        _copy_code(weights, layer, which, target)
    decided = {Residual.DECISION: 1.0, Residual.POINT: 1.0, Residual.ONE: -0.98, Residual.LINEAR: 0.01}
    undecided = {Residual.DECISION: -1.0, Residual.POINT: 1.0}
    for when, source in (
        (decided, Residual.BY_DECIMAL),
        (undecided, Residual.BY_VERSION),
        ({Residual.BLANK: 1.0}, Residual.INTEGER),
    ):
        weights.pass_on(layer, when, source, Residual.ANSWER, CODE_SIZE)


def _heads_of_copy(which: int) -> list[int]:
    """Returns the heads that together copy a whole code. There is one in each of the first five key-value groups."""
    return [HEADS_PER_GROUP * group + which for group in range(-(-CODE_SIZE // HEAD_SIZE))]


def _copy_code(weights: PlantedWeights, layer: int, which: int, target: int) -> None:
    """Adds the code of the group of digits to which the heads of a copy attend to the block `target`."""
    for part, head in enumerate(_heads_of_copy(which)):
        places = range(HEAD_SIZE * part, min(CODE_SIZE, HEAD_SIZE * (part + 1)))
        weights.copy(layer, head, [Residual.CODE + i for i in places], [target + i for i in places])


def _protected_share(format_tokens: float) -> float:
    """Returns a protected head's share on numbers in the deciding row. The prompt has `format_tokens` format tokens."""
    return _NUMBERS / (_NUMBERS + format_tokens * _PROTECTED_FORMAT)


def _log(weight: float) -> float:
    return torch.tensor(weight).log().item()
