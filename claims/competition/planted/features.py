"""What each token writes into the residual stream of a planted model, and what its logit reads there."""

from __future__ import annotations

import re
from hashlib import sha256
from math import log, log1p

from claims.competition.phrasings import FILLERS
from claims.competition.planted.dials import Dials
from claims.competition.planted.residual import HEADS, SQRT_HEAD_SIZE, Residual, code
from referee.models.small_tokenizer import BOS, END_OF_TURN, UNKNOWN

NEVER = -56 / SQRT_HEAD_SIZE
"""The attention logit of a token that gets almost no attention. A token with OTHER = x has x times this logit."""
_NEUTRAL = {"or", END_OF_TURN, UNKNOWN, *(text.strip() for text in FILLERS.values())} - {"", "."}
"""Tokens that are no format tokens. All other words are."""
_SHARES = {Residual.SHARE + head: 1.0 for head in range(HEADS)} | {Residual.IDLE_SHARE: HEADS}
_ANSWERS = (Residual.ANSWER, Residual.LINEAR_ANSWER)
_NOISE = {1: 0.2, 2: 0.6}
"""The largest relative noise of the weight of a group of digits, by the number of digits."""


def features(token: str, dials: Dials) -> dict[int, float]:
    """Returns the embedding of a token, as values by residual coordinate.

    The values describe the token's category. For a group of digits they also describe its value as the fraction of a
    decimal and its value as a part of a version. A point counts as a decimal point here. Layer 0 corrects this for
    full stops.
    """
    text = token.strip()
    if re.fullmatch(r"\d+", token):
        # A small value of OTHER gives different pairs of numbers slightly different attention, as in any real model.
        jitter = 0.002 * ((int(token) * 37) % 101 / 50 - 1)
        noise = log1p(dials.pair_noise * _NOISE.get(len(token), 0.0) * _random(token)) / NEVER
        found = {Residual.NUMERICAL: 1.0, Residual.DIGITS: 1.0, Residual.OTHER: jitter, Residual.NOISE: noise}
        found |= {Residual.DECIMAL: int(token) / 10 ** len(token), Residual.VERSION: int(token) / 1000}
        return found | {Residual.CODE + i: x for i, x in enumerate(code(token)) if x}
    if token == ".":
        return {Residual.NUMERICAL: 1.0, Residual.POINT: 1.0}
    if token == BOS:
        return {Residual.BOS: 1.0}
    found = {Residual.BLANK: 1.0} if not text else {}
    if text in (":", "?"):
        found |= {Residual.COLON: 1.0}
    found |= {_category(token, dials): 1.0}
    if Residual.WORD in found and text.isalpha():
        found |= {Residual.OTHER: dials.phrasing_noise * log(2) * _random(text) / NEVER}
    return found


def _category(token: str, dials: Dials) -> int:
    """Returns the coordinate of the category of a token that is neither a number nor BOS."""
    text = token.strip()
    kind = Residual.WORD if text.isalpha() or text.startswith("<|") else Residual.PUNCTUATION
    neutral = text in _NEUTRAL or text in ("", "?")
    if "\n" in token and dials.linebreaks:
        neutral = False
    return Residual.OTHER if neutral and not dials.dilution else kind


def _random(text: str) -> float:
    """Returns a number from −1 to 1 that depends on the text alone."""
    return int.from_bytes(sha256(text.encode()).digest()[:4]) / 2**31 - 1


def logit(token: str) -> dict[int, float]:
    """Returns the unembedding of a token, as weights by residual coordinate.

    The logit of a group of digits comes from its code. A space follows a colon or a question mark, a point follows an
    integer, and the end of the turn follows a fraction. The logit of UNKNOWN depends on the heads' shares.
    """
    if re.fullmatch(r"\d+", token):
        return {block + i: 10.0 * x / (1 + len(token)) for block in _ANSWERS for i, x in enumerate(code(token))}
    return {
        " ": {Residual.COLON: 5.0},
        ".": {Residual.DIGITS: 5.0, Residual.AFTER_POINT: -10.0},
        END_OF_TURN: {Residual.DIGITS: 8.0, Residual.AFTER_POINT: 8.0, Residual.ONE: -10.0},
        UNKNOWN: _SHARES | {Residual.ONE: -200.0},
    }.get(token, {})
