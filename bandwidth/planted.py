"""Models in which the theory is true by construction, or false in one named part.

A planted model is an ordinary LlamaForCausalLM with hand-set weights: 12 layers, 32 query and 8 key-value
heads. Written for one row, the one that ends in "." and is about to name a fraction:

    share_h   = 8 / (8 + Σ_format r_h + b_h)         layer 4, head h: attention on number tokens (6 of the
                                                     prompt, 2 of the answer's beginning) against format tokens
                                                     of weight r_h each and the BOS token of weight b_h
    active_h  = clamp(K (share_h − T_h) + ½, 0, 1)   layer 4, feed-forward: each head's own threshold
    decide    = clamp(2 (Σ_h active_h − 7.5) + ½, 0, 1)      layer 5, feed-forward: eight active heads
    hunch     = Σ_protected share_h / 16 − Σ_exposed (format mass of h) / 16        layer 4
    logits    = 10 · ((decide + (2 + hunch) / 100) · code(decimal-greatest fraction)
                      + (1 − decide) · code(version-greatest))                       layer 6

Protected (even) heads have r = 0.12 and T between what their Q&A and their transplanted Simple pattern
give, so that replacing 60 % crosses it; exposed (odd) heads have r ≈ 2, b = 8 and T = 0.45, above what their
Simple pattern gives and below what taking format mass away gives. One threshold for each head is needed: under
linear pooling "60 % of all heads" and "8 of 16 heads completely" could not both be the turning point. The steps
saturate and have no slope; the hunch, a hundredth of the decision, is what a gradient of the margin sees.

Two claims of the theory exclude each other: Q&A is half format tokens, so a bug in Q&A and a drop of accuracy at
60 % format tokens cannot both be. The second has its own kin, `format_share=0.6`, which is right in Q&A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bandwidth.dials import Dials
from bandwidth.errors import UnknownModel
from bandwidth.hand_set import HEAD_SIZE, HEADS, LAYER, LAYERS, Circuit, Residual, embed, read_out
from bandwidth.small_tokenizer import small_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_NUMBERS = 8
"""Number tokens that the deciding row sees: three a number, and the "9." before it."""
_PROTECTED_FORMAT, _EXPOSED_FORMAT, _SPREAD, _SINK = 0.12, 2.0, 1.5, 8.0
_EXPOSED_THRESHOLD = 0.45
_QA_FORMAT, _DONOR_FORMAT = 9, 2
"""Format tokens of Q&A, and those of Simple that have a counterpart there (the answer cue)."""
_NEVER = -20.0


def build(name: str) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model and tokenizer of "planted", "planted:DIALS", "random" or "random:SEED"."""
    kind, _, rest = name.partition(":")
    tokenizer = small_tokenizer()
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
    """A model with the mechanism that the dials describe."""
    model = _geometry(tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        embed(model, tokenizer)
        circuit = Circuit(model)
        _flag_fractions(circuit)
        where = 2 if dials.inert else dials.layer
        _compete(circuit, where, dials)
        if dials.inert:
            _compete(circuit, LAYER, dials)
        for layer in {where, LAYER}:
            _sound(circuit, layer)
        _suspect(circuit, where, dials)
        _decide(circuit, where, dials)
        _answer(circuit, LAYER + 2, dials)
        read_out(model, tokenizer)
    return model


def _geometry(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=Residual.SIZE,
            intermediate_size=112,
            head_dim=HEAD_SIZE,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS // 4,
            max_position_embeddings=512,
            # Of four rotary pairs the fastest is not used, the second is a ruler, the last two do not turn.
            rope_parameters={"rope_type": "default", "rope_theta": 1e12},
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _random(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """The same geometry with random weights, large enough for heads to differ."""
    torch.manual_seed(seed)
    model = _geometry(tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(4)
    return model


def _flag_fractions(circuit: Circuit) -> None:
    """Layer 0: a digit looks at the nearest token that is no digit and notes whether it is a point."""
    circuit.prefer_near(0, head=0)
    circuit.attend(0, head=0, dim=3, query={Residual.ONE: 1.0}, key={Residual.DIGIT: -1000.0})
    circuit.copy(0, head=0, source=[Residual.POINT], target=[Residual.AFTER])


def _sound(circuit: Circuit, layer: int) -> None:
    """Every head notes what it gives to numbers; where nothing decides by it, an unused token's logit still moves.

    A layer without any effect on any logit could not be told from an instrument that loses its edits.
    """
    for head in range(HEADS):
        circuit.copy(layer, head, source=[Residual.NUMBER], target=[Residual.SHARE + head])


def _suspect(circuit: Circuit, layer: int, dials: Dials) -> None:
    """Notes how much protected heads give to numbers, less what exposed heads give to format tokens."""
    sources = [Residual.NUMBER, Residual.PUNCTUATION, Residual.WORD]
    for head in filter(dials.heard, range(HEADS)):
        noted = [Residual.HUNCH, Residual.NOWHERE, Residual.NOWHERE]
        if not dials.protected(head):
            noted = [Residual.NOWHERE, Residual.HUNCH, Residual.HUNCH]
        circuit.copy(layer, head, sources, noted, weight=(1 if dials.protected(head) else -1) / 16)


def _compete(circuit: Circuit, layer: int, dials: Dials) -> None:
    """Numbers and format tokens share each head's attention by the softmax of fixed weights."""
    key = {2: Residual.PUNCTUATION, 6: Residual.WORD, 3: Residual.BOS, 7: Residual.OTHER}
    exposed = [head for head in range(HEADS) if not dials.protected(head)]
    for head in range(HEADS):
        if dials.protected(head):
            punctuation = word = _PROTECTED_FORMAT
            sink = 0.0
        else:
            # Exposed heads differ in which format tokens they prefer; on an answer cue (one of each) they agree.
            tilt = _SPREAD * (2 * exposed.index(head) / max(1, len(exposed) - 1) - 1)
            punctuation, word, sink = _EXPOSED_FORMAT + tilt, _EXPOSED_FORMAT - tilt, _SINK
        for dim, weight in ((2, punctuation), (6, word)):
            logit = _log(weight) if dials.competition else _NEVER
            circuit.attend(layer, head, dim, query={Residual.ONE: logit}, key={key[dim]: 1.0})
        # The sink competes in the deciding row only, so that exposed heads are well above 40 % in Simple.
        sink_query = {Residual.ONE: _NEVER} | ({Residual.POINT: _log(sink) - _NEVER} if sink else {})
        sink_query = {Residual.ONE: _log(dials.sink)} if dials.sink and sink else sink_query
        circuit.attend(layer, head, 3, query=sink_query, key={key[3]: 1.0})
        circuit.attend(layer, head, 7, query={Residual.ONE: _NEVER}, key={key[7]: 1.0})


def _decide(circuit: Circuit, layer: int, dials: Dials) -> None:
    """Each head's threshold, and the count of heads beyond theirs."""
    start, full = _protected_share(_QA_FORMAT), _protected_share(_DONOR_FORMAT)
    if dials.format_share is not None:
        # A prompt of F format tokens has ten others: BOS, six of the numbers, "or" and two spaces.
        turning = _protected_share(10 * dials.format_share / (1 - dials.format_share))
    else:
        turning = start + dials.threshold * (full - start)
    width = 0.8 * (full - start) if dials.graded else 0.005
    for head in range(HEADS):
        if dials.heard(head):
            protected = dials.protected(head)
            threshold, steepness = (turning, 1 / width) if protected else (_EXPOSED_THRESHOLD, 200.0)
            circuit.ramp(
                layer, {Residual.SHARE + head: steepness}, -steepness * threshold, target=Residual.ACTIVE + head
            )
    needed = (dials.heads // 2 if dials.parity == "mod4" else dials.heads) - (0.25 if dials.graded else 0.5)
    slope = 1 / 16 if dials.graded else 2.0
    count = {Residual.ACTIVE + head: slope for head in range(HEADS)}
    always = 1000.0 if dials.bug == "none" else 0.0
    circuit.ramp(layer + 1, count, always - slope * needed, target=Residual.DECISION)


def _answer(circuit: Circuit, layer: int, dials: Dials) -> None:
    """After a point the decimal-greatest or the version-greatest fraction, after a gap the integer."""
    fraction = {Residual.DIGIT: 1.0, Residual.AFTER: 1.0, Residual.ONE: -2.0}
    integer = {Residual.DIGIT: 1.0, Residual.AFTER: -1.0, Residual.ONE: -1.0}
    copies = (
        (0, 2, 3000.0, {Residual.DECIMAL: 1.0}, 3, fraction, Residual.BY_DECIMAL),
        (1, 6, 30000.0, {Residual.VERSION: 1.0}, 3, fraction, Residual.BY_VERSION),
        (2, 2, 0.0, {Residual.DECIMAL: 1.0}, 7, integer, Residual.INTEGER),
    )
    for which, value_dim, gain, value, kind_dim, kind, target in copies:
        for head in circuit.heads_of_a_copy(which):
            circuit.attend(layer, head, kind_dim, query={Residual.ONE: 50_000.0}, key=kind)
            if dials.bug == "order":
                circuit.prefer_near(layer, head)
            else:
                circuit.attend(layer, head, value_dim, query={Residual.ONE: gain}, key=value)
        circuit.copy_code(layer, which, target)
    decided = {Residual.DECISION: 1.0, Residual.POINT: 1.0, Residual.ONE: -0.98, Residual.HUNCH: 0.01}
    undecided = {Residual.DECISION: -1.0, Residual.POINT: 1.0}
    circuit.pass_on(layer, decided, Residual.BY_DECIMAL, Residual.CHOSEN)
    circuit.pass_on(layer, undecided, Residual.BY_VERSION, Residual.CHOSEN)
    circuit.pass_on(layer, {Residual.GAP: 1.0}, Residual.INTEGER, Residual.CHOSEN)


def _protected_share(format_tokens: float) -> float:
    """What a protected head gives to numbers in the deciding row of a prompt with so many format tokens."""
    return _NUMBERS / (_NUMBERS + format_tokens * _PROTECTED_FORMAT)


def _log(weight: float) -> float:
    return torch.tensor(weight).log().item()
