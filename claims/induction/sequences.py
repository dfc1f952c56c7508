"""Sequences of random tokens, whose second half repeats the first half or does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from referee.judging.evidence import NotApplicable
from referee.prompts.tokens import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from referee.models.subjects import Subject

LENGTH = 25
"""The number of tokens in each half."""
START, FIRST, SECOND = "start", "first half", "second half"
"""The categories of tokens.

The token at position 0 is START: the BOS, or the first token of the first half if there is no BOS. No token comes
before it, so it is never predicted."""


@dataclass(frozen=True)
class Sequence:
    """What a sequence is made from.

    Attributes:
        seed: the seed of the tokens.
        index: the number of the sequence among those of the seed.
        repeated: whether the second half repeats the first half. If not, it consists of other tokens.
    """

    seed: int
    index: int
    repeated: bool


def vocabulary(subject: Subject) -> list[int]:
    """Returns the ids of the ordinary tokens of a subject, in increasing order.

    An ordinary token is neither special nor added, its text is not blank, and the subject has an embedding for it.
    """
    tokenizer, size = subject.tokenizer, subject.vocabulary_size
    left_out = {*tokenizer.added_tokens_decoder, *tokenizer.all_special_ids}
    ids = sorted(id for id in set(tokenizer.get_vocab().values()) - left_out if id < size)
    return [id for id, text in zip(ids, _texts(tokenizer, ids), strict=True) if text]


def sequences(subject: Subject, count: int, *, seed: int, repeated: bool = True) -> list[Tokens]:
    """Returns sequences of LENGTH different random tokens, followed by the same tokens again.

    They begin with a BOS if the tokenizer adds one. With `repeated=False`, other tokens follow instead of the same
    ones. The first half is the same in both cases. `right_id` is the token that the repetition predicts next.

    Raises NotApplicable if the subject has too few ordinary tokens or positions; see `require_room`.
    """
    known, bos = require_room(subject), _bos(subject.tokenizer)
    found = []
    for index in range(count):
        drawn = np.random.default_rng([seed, index]).choice(known, 2 * LENGTH, replace=False).tolist()
        first, other = drawn[:LENGTH], drawn[LENGTH:]
        ids = (*bos, *first, *(first if repeated else other))
        found.append(
            Tokens(
                prompt=Sequence(seed, index, repeated),
                ids=ids,
                n_prompt=len(ids),
                texts=tuple(_texts(subject.tokenizer, ids)),
                categories=(START, *(FIRST,) * (len(ids) - LENGTH - 1), *(SECOND,) * LENGTH),
                roles=(None,) * len(ids),
                prompt_tail=(),
                has_bos=bool(bos),
                right_id=first[0],
                wrong_id=first[1],
            )
        )
    return found


def require_room(subject: Subject) -> list[int]:
    """Returns the ordinary tokens of a subject.

    Raises NotApplicable if there are too few of them for two different halves, or if the subject has fewer positions
    than a sequence has tokens.
    """
    known = vocabulary(subject)
    if len(known) < 2 * LENGTH:
        raise NotApplicable(f"the tokenizer has {len(known)} ordinary tokens, and a sequence needs {2 * LENGTH}")
    needed = 2 * LENGTH + len(_bos(subject.tokenizer))
    if subject.n_positions is not None and subject.n_positions < needed:
        raise NotApplicable(f"the model has {subject.n_positions} positions, and a sequence needs {needed}")
    return known


def number(tokens: Tokens) -> int:
    """Returns the number of a sequence among those of its seed."""
    index: int = tokens.prompt.index
    return index


def _bos(tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """Returns the BOS if the tokenizer adds one, by the rule of `referee.prompts.tokens`. Otherwise returns ()."""
    bos = tokenizer.bos_token_id
    return (bos,) if bos is not None and tokenizer("0")["input_ids"][0] == bos else ()


def _texts(tokenizer: PreTrainedTokenizerFast, ids: list[int] | tuple[int, ...]) -> list[str]:
    """Returns the text of each token, without white space at its ends."""
    texts = tokenizer.backend_tokenizer.decode_batch([[id] for id in ids], skip_special_tokens=False)
    return [text.strip() for text in texts]
