"""The residual stream of the planted models: its coordinates, what a token writes there, and what its logit reads."""

from __future__ import annotations

import re

from referee.models.small_tokenizer import BOS, END_OF_TURN, UNKNOWN

LAYERS, HEADS, HEADS_PER_GROUP, HEAD_SIZE = 12, 32, 4, 8
LAYER = 4
"""The layer of interest of a model with LAYERS layers. It is in proportion to layer 10 of 32."""
LARGE = 1000.0
"""The value of the coordinate Residual.ONE; see `referee.models.planted_weights`."""
CODE_SIZE = 33
"""The size of a number token's code. The code is one-hot: 3 values for the length and 10 for each of three digits."""


class Residual:
    """The coordinate of each quantity in the residual stream. The name of a block is its first coordinate."""

    # The constant, and what the token is. Digits and points are numerical.
    ONE, PUNCTUATION, WORD, BOS, OTHER, NUMERICAL, DIGITS, POINT, BLANK = range(9)
    # Whether the token is a colon or a question mark, and whether a group of digits follows a point.
    COLON, AFTER_POINT = 9, 10
    # The value of a group of digits as the fraction of a decimal, and as a part of a version.
    DECIMAL, VERSION = 11, 12
    # Whether the model answers by decimal order.
    DECISION = 13
    # The attention of each head on number tokens, and whether the head is above its threshold.
    SHARE = 14
    ACTIVE = SHARE + HEADS
    # The code of the token, of the greatest fraction in either order, of the integer part, and of the answer.
    CODE = ACTIVE + HEADS
    BY_DECIMAL = CODE + CODE_SIZE
    BY_VERSION = BY_DECIMAL + CODE_SIZE
    INTEGER = BY_VERSION + CODE_SIZE
    ANSWER = INTEGER + CODE_SIZE
    # The term that is linear in the shares, and a coordinate that nothing reads.
    LINEAR = ANSWER + CODE_SIZE
    UNREAD = LINEAR + 1
    SIZE = 288


def code(digits: str) -> list[float]:
    """Returns the one-hot code of a group of digits, [CODE_SIZE].

    The scalar product of a code with itself is 1 + the number of digits. The product with any other code is smaller.
    """
    found = [0.0] * CODE_SIZE
    found[len(digits) - 1] = 1.0
    for place, digit in enumerate(digits):
        found[3 + 10 * place + int(digit)] = 1.0
    return found


def features(token: str) -> dict[int, float]:
    """Returns the embedding of a token, as values by residual coordinate.

    The values describe the token's category. For a group of digits they also describe its value as the fraction of a
    decimal and its value as a part of a version.
    """
    if re.fullmatch(r"\d+", token):
        # A small value of OTHER gives different pairs of numbers slightly different attention, as in any real model.
        jitter = 0.002 * ((int(token) * 37) % 101 / 50 - 1)
        found = {Residual.NUMERICAL: 1.0, Residual.DIGITS: 1.0, Residual.OTHER: jitter}
        found |= {Residual.DECIMAL: int(token) / 10 ** len(token), Residual.VERSION: int(token) / 1000}
        return found | {Residual.CODE + i: x / (1 + len(token)) for i, x in enumerate(code(token)) if x}
    if token == ".":
        return {Residual.NUMERICAL: 1.0, Residual.POINT: 1.0}
    if token == BOS:
        return {Residual.BOS: 1.0}
    if token in (":", "?"):
        return {Residual.PUNCTUATION: 1.0, Residual.COLON: 1.0}
    if token.strip() in ("", "or", END_OF_TURN, UNKNOWN):
        return {Residual.OTHER: 1.0} | ({Residual.BLANK: 1.0} if token.strip() == "" else {})
    is_word = token.strip().isalpha() or token.startswith("<|")
    return {Residual.WORD if is_word else Residual.PUNCTUATION: 1.0}


def logit(token: str) -> dict[int, float]:
    """Returns the unembedding of a token, as weights by residual coordinate.

    The logit of a group of digits comes from its code. A space follows a colon or a question mark, a point follows an
    integer, and the end of the turn follows a fraction. The logit of UNKNOWN depends on the heads' shares.
    """
    if re.fullmatch(r"\d+", token):
        return {Residual.ANSWER + i: 10.0 * x for i, x in enumerate(code(token))}
    return {
        " ": {Residual.COLON: 5.0},
        ".": {Residual.DIGITS: 5.0, Residual.AFTER_POINT: -10.0},
        END_OF_TURN: {Residual.DIGITS: 8.0, Residual.AFTER_POINT: 8.0, Residual.ONE: -10.0},
        UNKNOWN: {Residual.SHARE + head: 1.0 for head in range(HEADS)} | {Residual.ONE: -200.0},
    }.get(token, {})
