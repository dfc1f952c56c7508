"""The sizes of the planted models, and the coordinates of their residual stream."""

from __future__ import annotations

LAYERS, HEADS, HEADS_PER_GROUP, HEAD_SIZE = 12, 32, 4, 8
LAYER = 4
"""The layer of interest of a model with LAYERS layers. It is in proportion to layer 10 of 32."""
LARGE = 1000.0
"""The value of the coordinate Residual.ONE; see `referee.models.planted_weights`."""
CODE_SIZE = 33
"""The size of a number token's code. The code is one-hot: 3 values for the length and 10 for each of three digits."""


class Residual:
    """The coordinate of each quantity in the residual stream. The name of a block is its first coordinate."""

    # The constant, and what the token is. Digits and decimal points are numerical. Nothing attends to OTHER.
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
    # Whether the nearest other token is a group of digits, and the noise of a group of digits.
    AFTER_DIGITS, NOISE = UNREAD + 1, UNREAD + 2
    # The last fraction and the greatest fraction as decimals, and whether the bug is absent because they are equal.
    LAST, GREATEST, EXCUSED = UNREAD + 3, UNREAD + 4, UNREAD + 5
    # The attention of each head on number tokens in layers and heads that decide nothing.
    IDLE_SHARE = UNREAD + 10
    # The share of words in the prompt, whether it is large, whether the heads have almost all of their share in Simple,
    # and whether both are true.
    WORDS, MANY_WORDS, FULL, RELAPSE = UNREAD + 6, UNREAD + 7, UNREAD + 8, UNREAD + 9
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
