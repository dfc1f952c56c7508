"""Models in which the theory is true by construction, or false in one named part.

A planted model is an ordinary LlamaForCausalLM with hand-set weights. It has 12 layers, 32 query heads and 8
key-value heads. These formulas describe one row: its token is ".", and the model writes a fraction next.

    share_h   = 8 / (8 + Σ_format r_h + b_h)         layer 4, head h: the share of attention on number tokens (6 of
                                                     the prompt, 2 of the forced prefix); each format token has the
                                                     weight r_h, and the BOS token has the weight b_h
    active_h  = clamp(K (share_h − T_h) + ½, 0, 1)   layer 4, feed-forward: each head has its own threshold T_h
    decision  = clamp(8 (Σ_h active_h − 7.5) + ½, 0, 1)      layers 5 and 6, feed-forward: eight heads must be active
    linear    = Σ_protected share_h / 16 − Σ_exposed (format mass of h) / 16        layer 4
    logits    = 10 · ((decision + (2 + linear) / 100) · code(decimal-greatest fraction)
                      + (1 − decision) · code(version-greatest))                    layer 7

Words, colons and commas are format tokens. These tokens get no attention: question marks, full stops, blanks, line
breaks, the word "or" and the neutral words of `phrasings.FILLERS`. So 8 format tokens of Q&A compete with the numbers
("Q : Which is bigger : A :"), and 2 of Simple ("Answer :").

Protected (even) heads have r = 0.12 and b = 0.2. Their T lies 60 % of the way from their share in Q&A, 8 / 9.16, to
their share in Simple, 8 / 8.44. The tokens of the two prompts decide both shares (see `shares`). An alignment of
patterns turns the answer at 60 % if it keeps the proportions of Simple's last row. Exposed (odd) heads have r ≈ 2,
b ≈ 8.3 and T = 0.45. Their T lies above the share of their Simple pattern, and below the share that they have when
format mass is removed.

Each head needs its own threshold. If the model added the shares linearly, "60 % of all heads" and "8 of 16 heads
completely" could not both be the turning point. The clamps saturate, and then their slope is zero. The linear term has
a hundredth of the effect of the decision, and it is the part that a gradient of the margin can see.

The models work in float32, bfloat16 and float16 alike. Thresholds lie midway between two numbers of bfloat16 (see
`shares.Scale`), a second ramp makes the decision exactly 0 or 1 (except with the dial `graded`), the linear term has
coordinates of its own, and normalisation does not round, because LARGE and SIZE are powers of two.

Some dials put parts of the mechanism into later layers: `spread` takes the attention of two layers, and bug=one_order
needs two more layers to see which number is bigger.

Two claims of the theory exclude each other. Half of the tokens of Q&A are format tokens, so a model cannot have the
bug in Q&A and also a drop of accuracy at 60 % format tokens. The dial `format_share=0.6` makes a model for the second
claim. It answers right in Q&A.
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from claims.competition.planted.decision import write_decision
from claims.competition.planted.dials import Dials
from claims.competition.planted.features import NEVER, features, logit
from claims.competition.planted.residual import (
    HEAD_SIZE,
    HEADS,
    HEADS_PER_GROUP,
    LARGE,
    LAYER,
    LAYERS,
    SQRT_HEAD_SIZE,
    Residual,
)
from claims.competition.planted.shares import (
    PROTECTED_FORMAT,
    PROTECTED_SINK,
    Landmarks,
    Scale,
    landmarks,
)
from claims.competition.planted.tokenizer import theory_tokenizer
from referee.errors import UnknownModel
from referee.models.planted_weights import PlantedWeights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_EXPOSED_FORMAT, _SPREAD, _SINK = 2.0, 1.5, exp(6 / SQRT_HEAD_SIZE)
"""The weights of format tokens and of BOS in exposed heads. Those of format tokens differ by up to _SPREAD."""


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
    weights.embed({i: features(token, dials) for i, token in tokens.items()})
    _mark_points(weights, dials)
    working = dials.layers()
    for layer in {*working, *([LAYER, LAYER + 1][: 1 + dials.spread] if dials.inert else [])}:
        _write_patterns(weights, layer, dials)
    shares = landmarks(dials, tokenizer)
    for layer in {*working, LAYER}:
        _record_shares(weights, layer, working.get(layer, range(0)), dials, shares)
    for layer, heads in working.items():
        _write_linear_term(weights, layer, heads, dials)
    write_decision(weights, max(working), dials, shares)
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


def _mark_points(weights: PlantedWeights, dials: Dials) -> None:
    """Writes layer 0: whether a group of digits follows a point, and whether a point follows a group of digits.

    Each looks at the nearest token of another kind. A point that follows no digits is a full stop and no number token.
    The weights of fractions get their noise here, too.
    """
    for head, own, other, target in (
        (0, Residual.DIGITS, Residual.POINT, Residual.AFTER_POINT),
        (HEADS_PER_GROUP, Residual.POINT, Residual.DIGITS, Residual.AFTER_DIGITS),
    ):
        weights.prefer_near(0, head)
        weights.attend(0, head, dim=3, query={Residual.ONE: 1.0}, key={own: -1000.0})
        weights.copy(0, head, source=[other], target=[target])
    steep = 1000.0
    full_stop = {Residual.POINT: steep, Residual.AFTER_DIGITS: -steep}
    kind = Residual.PUNCTUATION if dials.dilution else Residual.OTHER
    changes = {Residual.POINT: -1 / steep, Residual.NUMERICAL: -1 / steep, kind: 1 / steep}
    weights.neuron(0, full_stop, {Residual.ONE: 1.0}, changes)
    weights.pass_on(0, {Residual.AFTER_POINT: 1.0}, Residual.NOISE, Residual.OTHER, size=1)


def _record_shares(weights: PlantedWeights, layer: int, working: range, dials: Dials, shares: Landmarks) -> None:
    """Writes the shares of the heads on number tokens into the residual stream, where the logit of UNKNOWN reads them.

    `working` has the heads whose shares decide in this layer. Each of their shares is written × a scale. The others are
    written as a sum: if a layer had no effect on any logit, it would look as if the instrument lost its edits. With the
    dial `relapse`, the mean share of the protected heads is written, too.
    """
    protected, full = Scale.around(shares.turning), Scale.around(shares.relapse)
    for head in range(HEADS):
        if head not in working:
            weights.copy(layer, head, source=[Residual.NUMERICAL], target=[Residual.IDLE_SHARE], weight=1 / HEADS)
            continue
        # The heads of a key-value group share their values, so protected and exposed heads have a dimension each. The
        # linear term uses the dimensions 0 to 2.
        dim, factor = (3, protected.weight) if dials.protected(head) else (4, 1.0)
        weights.set_value(layer, head, dim, {Residual.NUMERICAL: factor})
        weights.add_output(layer, head, dim, Residual.SHARE + head)
        if dials.relapse and head in dials.read_protected_heads():
            weights.set_value(layer, head, 5, {Residual.NUMERICAL: full.weight})
            weights.add_output(layer, head, 5, Residual.MEAN_SHARE, weight=1 / len(dials.read_protected_heads()))


def _write_linear_term(weights: PlantedWeights, layer: int, heads: range, dials: Dials) -> None:
    """Writes protected heads' attention on number tokens minus exposed heads' attention on format tokens."""
    for head in filter(dials.is_read, heads):
        sources = [Residual.NUMERICAL] if dials.protected(head) else [Residual.PUNCTUATION, Residual.WORD]
        sign = 1 if dials.protected(head) else -1
        for dim, source in enumerate((Residual.NUMERICAL, Residual.PUNCTUATION, Residual.WORD)):
            weights.set_value(layer, head, dim, {source: 1.0})
            if source in sources:
                weights.add_output(layer, head, dim, Residual.LINEAR, sign / 16)


def _write_patterns(weights: PlantedWeights, layer: int, dials: Dials) -> None:
    """Divides each head's attention between number tokens and format tokens by the softmax of fixed weights."""
    exposed = [head for head in range(HEADS) if not dials.protected(head)]
    for head in range(HEADS):
        if dials.protected(head):
            punctuation = word = PROTECTED_FORMAT
            sink, everywhere = PROTECTED_SINK, 0.0
        else:
            # Exposed heads prefer different format tokens. On an answer cue, which has one of each kind, they agree.
            tilt = _SPREAD * (2 * exposed.index(head) / max(1, len(exposed) - 1) - 1)
            punctuation, word = _EXPOSED_FORMAT + tilt, _EXPOSED_FORMAT - tilt
            sink, everywhere = _SINK, dials.sink
        for dim, category, weight in ((2, Residual.PUNCTUATION, punctuation), (6, Residual.WORD, word)):
            format_logit = log(weight) if dials.competition else NEVER
            weights.attend(layer, head, dim, query={Residual.ONE: format_logit}, key={category: 1.0})
        # The sink competes only in the deciding row, so that exposed heads are clearly above 40 % in Simple.
        deciding = {Residual.ONE: NEVER, Residual.POINT: log(sink) - NEVER}
        sink_query = {Residual.ONE: log(everywhere)} if everywhere else deciding
        weights.attend(layer, head, 3, query=sink_query, key={Residual.BOS: 1.0})
        weights.attend(layer, head, 7, query={Residual.ONE: NEVER}, key={Residual.OTHER: 1.0})
