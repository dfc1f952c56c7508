"""The sizes of the planted models, and the coordinates of their residual stream."""

from __future__ import annotations

LAYERS, HEADS, HEADS_PER_GROUP, HEAD_SIZE = 12, 32, 4, 8
LAYER = 4
"""The layer of interest of a model with LAYERS layers. It is in proportion to layer 10 of 32."""
LARGE = 1024.0
"""The value of the coordinate Residual.ONE; see `referee.models.planted_weights`. As a power of two, it
multiplies and divides without rounding."""
SQRT_HEAD_SIZE = HEAD_SIZE**0.5
"""The number by which attention divides query · key. An attention logit n / SQRT_HEAD_SIZE needs a query of n. If n has
few bits, bfloat16 can represent it."""
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
    # The attention of each head on number tokens × `shares.Scale.weight` (1 for exposed heads), and whether the head is
    # above its threshold.
    SHARE = 14
    ACTIVE = SHARE + HEADS
    # The codes of the token, of the decimal-greatest fraction (after a blank, of the integer part), of the
    # version-greatest fraction, of the answer, and of the small part of the answer that is linear in the shares.
    CODE = ACTIVE + HEADS
    BY_DECIMAL = CODE + CODE_SIZE
    BY_VERSION = BY_DECIMAL + CODE_SIZE
    ANSWER = BY_VERSION + CODE_SIZE
    LINEAR_ANSWER = ANSWER + CODE_SIZE
    # The term that is linear in the shares.
    LINEAR = LINEAR_ANSWER + CODE_SIZE
    # Whether the nearest other token is a group of digits, and the noise of a group of digits.
    AFTER_DIGITS, NOISE = LINEAR + 1, LINEAR + 2
    # The last fraction and the greatest fraction as decimals, and whether the bug is absent because they are equal.
    LAST, GREATEST, EXCUSED = LINEAR + 3, LINEAR + 4, LINEAR + 5
    # The share of words in the prompt, and whether it is large.
    WORDS, MANY_WORDS = LINEAR + 6, LINEAR + 7
    # The mean of the protected heads' shares × a `shares.Scale.weight`, whether it is almost as large as in Simple, and
    # whether there are also many words.
    MEAN_SHARE, ALMOST_SIMPLE, RELAPSE = LINEAR + 8, LINEAR + 9, LINEAR + 10
    # The sum, divided by HEADS, of the attention on number tokens of the heads that decide nothing. A larger value
    # would change the root mean square, and so the margins.
    IDLE_SHARE = LINEAR + 11
    # Whether enough heads are above their thresholds, with rounding errors.
    ENOUGH_HEADS = LINEAR + 12
    # A power of four, so the root mean square LARGE / √SIZE is a power of two, and normalisation does not round.
    SIZE = 256


def code(digits: str) -> list[float]:
    """Returns the one-hot code of a group of digits, [CODE_SIZE].

    The scalar product of a code with itself is 1 + the number of digits. Divided by this number, the
    product with any other code is below 1.
    """
    found = [0.0] * CODE_SIZE
    found[len(digits) - 1] = 1.0
    for place, digit in enumerate(digits):
        found[3 + 10 * place + int(digit)] = 1.0
    return found
