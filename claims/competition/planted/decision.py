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
from claims.competition.planted.shares import Landmarks
from referee.models.planted_weights import PlantedWeights

_EXPOSED_THRESHOLD = 0.45
_STARVED = 0.6
"""The threshold of protected heads where bug=one_order causes no bug. It is below the share in Q&A."""
_RELAPSE = 0.975
"""The amount of replacement at which the answer turns wrong again."""
_WORDY = 0.18
"""The share of words in a prompt that is above that of Simple and below that of Q&A."""
_KIND = 50_000.0
"""The weight of the kind of token to which a head of the later layers attends."""
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
    needed = dials.needed() - (0.25 if dials.graded else 0.5)
    slope = 1 / 16 if dials.graded else 2.0
    heads = {Residual.ACTIVE + head: slope for head in range(HEADS)}
    always = 1000.0 if dials.bug == "none" else 0.0
    weights.ramp(layer + later + 1, heads, always - slope * needed, target=Residual.DECISION)
    if dials.relapse:
        _write_relapse(weights, layer + later, dials, shares)
    _write_answer(weights, LAYER + 2 + later + dials.spread, dials)


def _write_thresholds(weights: PlantedWeights, layer: int, dials: Dials, shares: Landmarks) -> None:
    """Writes whether each head that is read is above its threshold."""
    width = 0.8 * (shares.simple - shares.question) if dials.graded else 0.002
    for head in filter(dials.is_read, range(HEADS)):
        threshold, steepness = (shares.turning, 1 / width) if dials.protected(head) else (_EXPOSED_THRESHOLD, 200.0)
        inputs = {Residual.SHARE + head: steepness}
        if dials.bug == "one_order" and dials.protected(head):
            inputs[Residual.EXCUSED] = steepness * (threshold - _STARVED)
        weights.ramp(layer, inputs, -steepness * threshold, target=Residual.ACTIVE + head)


def _write_many_words(weights: PlantedWeights) -> None:
    """Writes layer 0: whether the prompt has many words. No edit of a later layer changes this."""
    weights.copy(0, 2 * HEADS_PER_GROUP, source=[Residual.WORD], target=[Residual.WORDS])
    weights.ramp(0, {Residual.WORDS: 1000.0}, -1000.0 * _WORDY, target=Residual.MANY_WORDS)


def _write_excuse(weights: PlantedWeights, layer: int) -> None:
    """Writes whether the prompt has many words and its greatest fraction is the last one."""
    for head, target in ((0, Residual.LAST), (HEADS_PER_GROUP, Residual.GREATEST)):
        weights.attend(layer, head, 3, query={Residual.ONE: _KIND}, key=_FRACTION)
        # The first place is that of the shares, which a layer may record, too.
        weights.copy(layer, head, [Residual.NUMERICAL, Residual.DECIMAL], [Residual.UNREAD, target])
    weights.prefer_near(layer, 0)
    weights.attend(layer, HEADS_PER_GROUP, 2, query={Residual.ONE: 3000.0}, key={Residual.DECIMAL: 1.0})
    # Different fractions of a pair differ by at least 0.01.
    inputs = {Residual.LAST: 200.0, Residual.GREATEST: -200.0, Residual.MANY_WORDS: 1000.0}
    weights.ramp(layer, inputs, 1.0 - 1000.0, target=Residual.EXCUSED)


def _write_relapse(weights: PlantedWeights, layer: int, dials: Dials, shares: Landmarks) -> None:
    """Writes whether the heads have almost all of their share in Simple although the prompt has many words."""
    readers = [head for head in range(HEADS) if dials.protected(head) and dials.is_read(head)]
    mean = {Residual.SHARE + head: 1000.0 / len(readers) for head in readers}
    weights.ramp(layer, mean, -1000.0 * shares.at(_RELAPSE), target=Residual.FULL)
    weights.ramp(layer + 1, {Residual.MANY_WORDS: 2.0, Residual.FULL: 2.0}, -3.0, target=Residual.RELAPSE)


def _write_answer(weights: PlantedWeights, layer: int, dials: Dials) -> None:
    """Writes the answer: after a point the decimal-greatest or version-greatest fraction, after a blank the integer."""
    copies = (
        (0, 2, 3000.0, {Residual.DECIMAL: 1.0}, 3, _FRACTION, Residual.BY_DECIMAL),
        (1, 6, 30000.0, {Residual.VERSION: 1.0}, 3, _FRACTION, Residual.BY_VERSION),
        (2, 2, 0.0, {Residual.DECIMAL: 1.0}, 7, _INTEGER, Residual.INTEGER),
    )
    for which, value_dim, gain, value, kind_dim, kind, target in copies:
        for head in _heads_of_copy(which):
            weights.attend(layer, head, kind_dim, query={Residual.ONE: _KIND}, key=kind)
            if dials.bug == "order":
                weights.prefer_near(layer, head)
            else:
                weights.attend(layer, head, value_dim, query={Residual.ONE: gain}, key=value)
        _copy_code(weights, layer, which, target)
    decided = {Residual.DECISION: 1.0, Residual.RELAPSE: -1.0}
    decided |= {Residual.POINT: 1.0, Residual.ONE: -0.98, Residual.LINEAR: 0.01}
    undecided = {Residual.DECISION: -1.0, Residual.RELAPSE: 1.0, Residual.POINT: 1.0}
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
