"""The words that a planted model knows, and what each token writes into the residual stream."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import torch

from claims.induction.planted.dials import Dials
from claims.induction.planted.residual import CODE_SIZE, NOISES, Residual
from referee.models.small_tokenizer import BOS, SPECIAL, UNKNOWN, small_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_WORDS = 150
_ALIKE = 16
"""The largest scalar product of the codes of two tokens. That of a code with itself is CODE_SIZE."""
_LEAST_DOUBT, _DOUBT = 0.5, 0.6
"""A token's weight of the unknown token is at least the first. The second is the standard deviation of the normal
variable whose absolute value is added."""
_UNEQUAL = 0.1
"""The standard deviation of the values of the tokens."""
_TO_LOGITS = 0.25
"""The factor from scalar products of codes to logits."""
_ANY = 4.0
"""The logit of every ordinary token where nothing is copied."""


def words_tokenizer() -> PreTrainedTokenizerFast:
    """Returns a small tokenizer for 150 made-up words of four letters; see `small_tokenizer`."""
    syllables = ["".join(pair) for pair in product("bdfklmnprstv", "aeiou")]
    words = [first + second for first, second in product(syllables, syllables) if first != second]
    order = torch.randperm(len(words), generator=torch.Generator().manual_seed(0))
    return small_tokenizer([words[i] for i in order[:_WORDS].tolist()], digits_per_token=1)


def features(tokenizer: PreTrainedTokenizerFast, dials: Dials) -> dict[int, dict[int, float]]:
    """Returns the embedding of each token id, as values by residual coordinate."""
    random = torch.Generator().manual_seed(1)
    found = {tokenizer.convert_tokens_to_ids(BOS): {Residual.BOS: 1.0, Residual.ANY: 1.0, Residual.DOUBT: _LEAST_DOUBT}}
    for token, code in codes(tokenizer).items():
        doubt, value, *noise = (dials.noise * torch.randn(2 + NOISES, generator=random)).tolist()
        sign = 1.0 if torch.rand(1, generator=random) < 0.5 else -1.0
        found[token] = {
            Residual.ORDINARY: 1.0,
            Residual.ANY: 1.0,
            Residual.VALUE: sign if dials.rest == "read" else 1.0 + _UNEQUAL * value,
            Residual.DOUBT: _LEAST_DOUBT + _DOUBT * abs(doubt),
            **{Residual.NOISE + i: number for i, number in enumerate(noise)},
            **{Residual.CODE + i: sign for i, sign in enumerate(code)},
        }
    return found


def logits(tokenizer: PreTrainedTokenizerFast) -> dict[int, dict[int, float]]:
    """Returns the unembedding of each token id, as weights by residual coordinate."""
    found = {tokenizer.convert_tokens_to_ids(UNKNOWN): {Residual.DOUBT: _TO_LOGITS * CODE_SIZE}}
    for token, code in codes(tokenizer).items():
        found[token] = {Residual.ANSWER + i: _TO_LOGITS * sign for i, sign in enumerate(code)}
        found[token][Residual.ANSWER_ANY] = _ANY
    return found


def codes(tokenizer: PreTrainedTokenizerFast) -> dict[int, list[float]]:
    """Returns a random code of each token that is not special, [CODE_SIZE], by its id.

    The scalar product of two codes is at most 16. That of a code with itself is 40.
    """
    random = torch.Generator().manual_seed(2)
    ordinary = sorted(tokenizer.convert_tokens_to_ids(token) for token in set(tokenizer.get_vocab()) - set(SPECIAL))
    found = torch.zeros(0, CODE_SIZE)
    while len(found) < len(ordinary):
        code = 2.0 * torch.randint(2, (CODE_SIZE,), generator=random) - 1
        if not (found @ code > _ALIKE).any():
            found = torch.cat([found, code[None]])
    return dict(zip(ordinary, found.tolist(), strict=True))
