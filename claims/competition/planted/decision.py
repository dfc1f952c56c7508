"""The later layers of a planted model: each head's threshold, the decision from the heads above it, and the answer."""

from __future__ import annotations

from claims.competition.planted.dials import Dials
from claims.competition.planted.residual import (
    CODE_SIZE,
    HEAD_SIZE,
    HEADS,
    HEADS_PER_GROUP,
    LAYER,
    Residual,
)
from claims.competition.planted.shares import EXPOSED_THRESHOLD, Landmarks, Scale
from referee.models.planted_weights import PlantedWeights

_STEEPNESS = 256.0
"""The steepness of a ramp at the threshold of a `shares.Scale`. From 0.5 to 1, the nearest numbers of bfloat16 are
1/512 away from the threshold, and there the ramp is exactly 0 or 1."""
_EXPOSED_STEEPNESS = 20.0
"""The steepness for exposed heads. Their shares are far from their threshold, so a gentle ramp is enough."""
_STARVED = 0.6
"""The threshold of protected heads where bug=one_order causes no bug. It is below the share in Q&A."""
_WORDY = 0.18
"""The share of words in a prompt that is above that of Simple and below that of Q&A."""
_KIND = 8000.0
"""The attention logit that separates the kind of token to which a head attends from other kinds. The largest product of
query and key is 2 · _KIND · SQRT_HEAD_SIZE. It must be below 65,504, the largest number of float16."""
_GAIN = 3000.0
"""The attention logit per unit of a fraction's value. It makes a head attend to the greatest fraction."""
_FRACTION = {Residual.DIGITS: 1.0, Residual.AFTER_POINT: 1.0, Residual.ONE: -2.0}
_INTEGER = {Residual.DIGITS: 1.0, Residual.AFTER_POINT: -1.0, Residual.ONE: -1.0}


def write_decision(weights: PlantedWeights, layer: int, dials: Dials, shares: Landmarks) -> None:
    """Writes each head's threshold, the decision from the number of heads above their thresholds, and the answer.

    `layer` is the last layer of the mechanism.
    """
    later = 2 if dials.bug == "one_order" else 0
    if dials.relapse or dials.bug == "one_order":
        _write_many_words(weights)
    if dials.bug == "one_order":
        _write_excuse(weights, layer + 1)
    _write_thresholds(weights, layer + later, dials, shares)
    _write_head_count(weights, layer + later + 1, dials)
    if dials.relapse:
        _write_relapse(weights, layer + later, dials, shares)
    _write_answer(weights, LAYER + 3 + later + dials.spread, dials)


def _write_thresholds(weights: PlantedWeights, layer: int, dials: Dials, shares: Landmarks) -> None:
    """Writes whether each head that is read is above its threshold."""
    protected = Scale.around(shares.turning)
    gradual = 1 / (0.8 * protected.weight * (shares.simple - shares.question))
    of_protected = (protected.threshold, gradual if dials.graded else _STEEPNESS)
    for head in filter(dials.is_read, range(HEADS)):
        threshold, steepness = of_protected if dials.protected(head) else (EXPOSED_THRESHOLD, _EXPOSED_STEEPNESS)
        inputs = {Residual.SHARE + head: steepness}
        if dials.bug == "one_order" and dials.protected(head):
            inputs[Residual.EXCUSED] = steepness * (threshold - protected.weight * _STARVED)
        weights.ramp(layer, inputs, -steepness * threshold, target=Residual.ACTIVE + head)


def _write_head_count(weights: PlantedWeights, layer: int, dials: Dials) -> None:
    """Writes the decision: whether enough heads are above their thresholds.

    The second ramp removes the rounding errors of the first one: the decision is exactly 0 or 1. With the dial
    `graded`, it passes the value on.
    """
    if dials.bug == "none":
        weights.ramp(layer, {}, 1.0, target=Residual.ENOUGH_HEADS)
    else:
        slope, needed = (1 / 16, dials.needed() - 0.25) if dials.graded else (2.0, dials.needed() - 0.5)
        heads = {Residual.ACTIVE + head: slope for head in range(HEADS)}
        weights.ramp(layer, heads, -slope * needed, target=Residual.ENOUGH_HEADS)
    steepness = 1.0 if dials.graded else 4.0
    weights.ramp(layer + 1, {Residual.ENOUGH_HEADS: steepness}, -steepness / 2, target=Residual.DECISION)


def _write_many_words(weights: PlantedWeights) -> None:
    """Writes layer 0: whether the prompt has many words. No edit of a later layer changes this."""
    weights.copy(0, 2 * HEADS_PER_GROUP, source=[Residual.WORD], target=[Residual.WORDS])
    weights.ramp(0, {Residual.WORDS: 100.0}, -100.0 * _WORDY, target=Residual.MANY_WORDS)


def _write_excuse(weights: PlantedWeights, layer: int) -> None:
    """Writes whether the prompt has many words and its greatest fraction is the last one."""
    for head, target in ((0, Residual.LAST), (HEADS_PER_GROUP, Residual.GREATEST)):
        weights.attend(layer, head, 3, query={Residual.ONE: _KIND}, key=_FRACTION)
        # The dimensions 0 to 5 may have the values that record shares in this layer.
        weights.set_value(layer, head, 6, {Residual.DECIMAL: 1.0})
        weights.add_output(layer, head, 6, target)
    weights.prefer_near(layer, 0)
    weights.attend(layer, HEADS_PER_GROUP, 2, query={Residual.ONE: _GAIN}, key={Residual.DECIMAL: 1.0})
    # Different fractions of a pair differ by at least 0.01.
    inputs = {Residual.LAST: 200.0, Residual.GREATEST: -200.0, Residual.MANY_WORDS: 2.0}
    weights.ramp(layer, inputs, -1.25, target=Residual.EXCUSED)


def _write_relapse(weights: PlantedWeights, layer: int, dials: Dials, shares: Landmarks) -> None:
    """Writes whether the heads have almost all of their share in Simple although the prompt has many words."""
    threshold = Scale.around(shares.relapse).threshold
    weights.ramp(layer, {Residual.MEAN_SHARE: _STEEPNESS}, -_STEEPNESS * threshold, target=Residual.ALMOST_SIMPLE)
    weights.ramp(layer + 1, {Residual.MANY_WORDS: 2.0, Residual.ALMOST_SIMPLE: 2.0}, -3.0, target=Residual.RELAPSE)


def _write_answer(weights: PlantedWeights, layer: int, dials: Dials) -> None:
    """Writes the answer: after a point the decimal-greatest or version-greatest fraction, after a blank the integer."""
    copies = (
        (0, 2, {Residual.DECIMAL: 1.0}, Residual.BY_DECIMAL),
        (1, 6, {Residual.VERSION: 10.0}, Residual.BY_VERSION),
    )
    for which, dim, value, target in copies:
        for head in _heads_of_copy(which):
            weights.attend(layer, head, 3, query={Residual.POINT: _KIND}, key=_FRACTION)
            weights.attend(layer, head, 7, query={Residual.BLANK: _KIND}, key=_INTEGER)
            if dials.bug == "order":
                weights.prefer_near(layer, head)
            else:
                weights.attend(layer, head, dim, query={Residual.POINT: _GAIN}, key=value)
        _copy_code(weights, layer, which, target)
    decided = {Residual.DECISION: 1.0, Residual.RELAPSE: -1.0, Residual.POINT: 1.0, Residual.ONE: -1.0}
    decided |= {Residual.BLANK: 2.0}
    undecided = {Residual.DECISION: -1.0, Residual.RELAPSE: 1.0, Residual.POINT: 1.0}
    linear = {Residual.LINEAR: 0.01, Residual.POINT: 1.0, Residual.ONE: -0.98}
    for when, source, target in (
        (decided, Residual.BY_DECIMAL, Residual.ANSWER),
        (undecided, Residual.BY_VERSION, Residual.ANSWER),
        # In a block of their own, small values are not lost when large ones are added.
        (linear, Residual.BY_DECIMAL, Residual.LINEAR_ANSWER),
    ):
        weights.pass_on(layer, when, source, target, CODE_SIZE)


def _heads_of_copy(which: int) -> list[int]:
    """Returns the heads that together copy a whole code. There is one in each of the first five key-value groups."""
    return [HEADS_PER_GROUP * group + which for group in range(-(-CODE_SIZE // HEAD_SIZE))]


def _copy_code(weights: PlantedWeights, layer: int, which: int, target: int) -> None:
    """Adds the code of the group of digits to which the heads of a copy attend to the block `target`."""
    for part, head in enumerate(_heads_of_copy(which)):
        places = range(HEAD_SIZE * part, min(CODE_SIZE, HEAD_SIZE * (part + 1)))
        weights.copy(layer, head, [Residual.CODE + i for i in places], [target + i for i in places])
