"""Models in which the theory is true by construction, or false in one named part.

A planted model is an ordinary LlamaForCausalLM with hand-set weights. It has 12 layers, 32 query heads and 8
key-value heads. These formulas describe one row: its token is ".", and the model writes a fraction next.

    share_h   = 8 / (8 + Σ_format r_h + b_h)         layer 4, head h: the share of attention on number tokens (6 of
                                                     the prompt, 2 of the forced prefix); each format token has the
                                                     weight r_h, and the BOS token has the weight b_h
    active_h  = clamp(K (share_h − T_h) + ½, 0, 1)   layer 4, feed-forward: each head has its own threshold T_h
    decide    = clamp(2 (Σ_h active_h − 7.5) + ½, 0, 1)      layer 5, feed-forward: eight heads must be active
    hunch     = Σ_protected share_h / 16 − Σ_exposed (format mass of h) / 16        layer 4
    logits    = 10 · ((decide + (2 + hunch) / 100) · code(decimal-greatest fraction)
                      + (1 − decide) · code(version-greatest))                       layer 6

Protected (even) heads have r = 0.12. Their T lies between the share of their own Q&A pattern and the share of the
transplanted Simple pattern, so that replacing 60 % crosses it. Exposed (odd) heads have r ≈ 2, b = 8 and T = 0.45.
Their T lies above the share of their Simple pattern, and below the share that they have when format mass is removed.

Each head needs its own threshold. If the model added the shares linearly, "60 % of all heads" and "8 of 16 heads
completely" could not both be the turning point. The clamps saturate, and then their slope is zero. `hunch` has a
hundredth of the effect of `decide`, and it is the part that a gradient of the margin can see.

Two claims of the theory exclude each other. Half of the tokens of Q&A are format tokens, so a model cannot have the
bug in Q&A and also a drop of accuracy at 60 % format tokens. The dial `format_share=0.6` makes a model for the second
claim. It answers right in Q&A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from claims.competition.planted.dials import Dials
from claims.competition.planted.hand_set import HEAD_SIZE, HEADS, LAYER, LAYERS, Circuit, Residual, embed, read_out
from referee.errors import UnknownModel
from referee.models.small_tokenizer import small_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_NUMBERS = 8
"""The number tokens that the deciding row sees: three for each number, and the forced prefix, such as "9."."""
_PROTECTED_FORMAT, _EXPOSED_FORMAT, _SPREAD, _SINK = 0.12, 2.0, 1.5, 8.0
_EXPOSED_THRESHOLD = 0.45
_QA_FORMAT, _DONOR_FORMAT = 9, 2
"""The number of format tokens in Q&A, and the number in Simple with a counterpart in Q&A (the answer cue)."""
_NEVER = -20.0


def build(name: str) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Build the model and the tokenizer of "planted", "planted:DIALS", "random" or "random:SEED".

    Raises UnknownModel for a seed or dials that it cannot read.
    """
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
    """Build a model with the mechanism that the dials describe."""
    model = _geometry(tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        embed(model, tokenizer)
        circuit = Circuit(model)
        _flag_fractions(circuit)
        where = 1 if dials.inert else dials.layer
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


def _geometry(tokenizer: PreTrainedTokenizerFast, layers: int = LAYERS) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=Residual.SIZE,
            intermediate_size=112,
            head_dim=HEAD_SIZE,
            num_hidden_layers=layers,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS // 4,
            max_position_embeddings=512,
            # There are four rotary pairs. The first is not used, the second measures distance, the others do not turn.
            rope_parameters={"rope_type": "default", "rope_theta": 1e12},
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _random(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """Build a model of 32 layers, else of the same geometry, with random weights large enough to make heads differ."""
    torch.manual_seed(seed)
    model = _geometry(tokenizer, layers=32)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(4)
    return model


def _flag_fractions(circuit: Circuit) -> None:
    """Write layer 0: each digit attends to the nearest token that is not a digit, and records whether it is a point."""
    circuit.prefer_near(0, head=0)
    circuit.attend(0, head=0, dim=3, query={Residual.ONE: 1.0}, key={Residual.DIGIT: -1000.0})
    circuit.copy(0, head=0, source=[Residual.POINT], target=[Residual.AFTER])


def _sound(circuit: Circuit, layer: int) -> None:
    """Let every head record its attention on numbers. The record always changes the logit of an unused token.

    This matters in a layer whose record decides nothing. A layer without any effect on any logit would look like an
    instrument that loses its edits.
    """
    for head in range(HEADS):
        circuit.copy(layer, head, source=[Residual.NUMBER], target=[Residual.SHARE + head])


def _suspect(circuit: Circuit, layer: int, dials: Dials) -> None:
    """Write the hunch: protected heads' attention on numbers minus exposed heads' attention on format tokens."""
    sources = [Residual.NUMBER, Residual.PUNCTUATION, Residual.WORD]
    for head in filter(dials.is_read, range(HEADS)):
        noted = [Residual.HUNCH, Residual.NOWHERE, Residual.NOWHERE]
        if not dials.protected(head):
            noted = [Residual.NOWHERE, Residual.HUNCH, Residual.HUNCH]
        circuit.copy(layer, head, sources, noted, weight=(1 if dials.protected(head) else -1) / 16)


def _compete(circuit: Circuit, layer: int, dials: Dials) -> None:
    """Divide each head's attention between numbers and format tokens by the softmax of fixed weights."""
    key = {2: Residual.PUNCTUATION, 6: Residual.WORD, 3: Residual.BOS, 7: Residual.OTHER}
    exposed = [head for head in range(HEADS) if not dials.protected(head)]
    for head in range(HEADS):
        if dials.protected(head):
            punctuation = word = _PROTECTED_FORMAT
            sink = 0.0
        else:
            # Exposed heads prefer different format tokens. On an answer cue, which has one of each kind, they agree.
            tilt = _SPREAD * (2 * exposed.index(head) / max(1, len(exposed) - 1) - 1)
            punctuation, word, sink = _EXPOSED_FORMAT + tilt, _EXPOSED_FORMAT - tilt, _SINK
        for dim, weight in ((2, punctuation), (6, word)):
            logit = _log(weight) if dials.competition else _NEVER
            circuit.attend(layer, head, dim, query={Residual.ONE: logit}, key={key[dim]: 1.0})
        # The sink competes only in the deciding row, so that exposed heads are clearly above 40 % in Simple.
        sink_query = {Residual.ONE: _NEVER} | ({Residual.POINT: _log(sink) - _NEVER} if sink else {})
        sink_query = {Residual.ONE: _log(dials.sink)} if dials.sink and sink else sink_query
        circuit.attend(layer, head, 3, query=sink_query, key={key[3]: 1.0})
        circuit.attend(layer, head, 7, query={Residual.ONE: _NEVER}, key={key[7]: 1.0})


def _decide(circuit: Circuit, layer: int, dials: Dials) -> None:
    """Write each head's threshold, and the decision from the number of heads above their thresholds."""
    start, full = _protected_share(_QA_FORMAT), _protected_share(_DONOR_FORMAT)
    if dials.format_share is not None:
        # A prompt with F format tokens has ten other tokens: BOS, six of the numbers, "or" and two spaces.
        turning = _protected_share(10 * dials.format_share / (1 - dials.format_share))
    else:
        turning = start + dials.threshold * (full - start)
    width = 0.8 * (full - start) if dials.graded else 0.005
    for head in range(HEADS):
        if dials.is_read(head):
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
    """Write the answer: after a point the decimal-greatest or version-greatest fraction, after a blank the integer."""
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
    """Return a protected head's share on numbers in the deciding row. The prompt has `format_tokens` format tokens."""
    return _NUMBERS / (_NUMBERS + format_tokens * _PROTECTED_FORMAT)


def _log(weight: float) -> float:
    return torch.tensor(weight).log().item()
