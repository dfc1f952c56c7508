"""The sizes of the planted models, the coordinates of their residual stream, and the heads of the mechanism."""

from __future__ import annotations

LAYERS, HEADS, HEAD_SIZE = 5, 40, 64
"""1 % of the 200 heads are two heads, as many as match."""
NEURONS = 176
LARGE = 1000.0
"""The value of the coordinate Residual.ONE; see `referee.models.planted_weights`."""
CODE_SIZE = 40
"""The size of a token's code. Each of its values is −1 or 1."""
NOISES = 4
"""The number of random properties of a token to which the heads attend."""

PREVIOUS = ((0, 7), (1, 21))
"""The previous-token heads, each (layer, head)."""
WEAKER = ((0, 18), (1, 34))
"""Further previous-token heads with feeders=others. They attend less to the token before than PREVIOUS."""
MATCHING = ((2, 13), (3, 30))
"""The matching heads."""
BACKUP = ((3, 5), (4, 11))
"""Further heads that match with backup=on."""


class Residual:
    """The coordinate of each quantity in the residual stream. The name of a block is its first coordinate."""

    # The constant, whether the token is BOS, and whether it is any other token.
    ONE, BOS, ORDINARY = range(3)
    # What the resting heads read from a token, the sum of what they read, and the token's random properties.
    VALUE, SPREAD, NOISE = 3, 4, 5
    # The codes of the token, and of the token before it.
    CODE = NOISE + NOISES
    PREVIOUS_CODE = CODE + CODE_SIZE
    # The code of the next token, and the value 1 of every token. Together they are one block.
    NEXT = PREVIOUS_CODE + CODE_SIZE
    ANY = NEXT + CODE_SIZE
    # The same block times the sharpness.
    ANSWER = ANY + 1
    ANSWER_ANY = ANSWER + CODE_SIZE
    # The weight of the unknown token.
    DOUBT = ANSWER_ANY + 1
    # The attention of each head of the layers 2 and above on tokens other than BOS.
    REST = DOUBT + 1
    # A coordinate that nothing reads.
    UNREAD = REST + (LAYERS - 2) * HEADS
    # A multiple of the number of heads, which LlamaConfig requires.
    SIZE = 320
