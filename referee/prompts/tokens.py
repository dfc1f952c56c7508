"""Turns a prompt into token ids, gives each token a category and a role, and aligns the tokens of two prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal

from referee.errors import SelfCheckFailed, UnscorableTokens
from referee.prompts.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

OTHER, ANSWER = "other", "answer"
"""The category of tokens without a span, and the category of the tokens of the forced prefix."""
AlignmentKind = Literal["meaning", "last row", "right block", "left block"]


@dataclass(frozen=True)
class Tokens:
    """A prompt as token ids, followed by the forced prefix of the answer.

    The two answers begin with the same tokens. These tokens are the forced prefix: they are put after the prompt, and
    the model does not choose them.

    Attributes:
        prompt: what the tokens were made from: a `Prompt`, or another frozen dataclass of a theory. A prompt without
            answers cannot be read by `Session.answers`.
        ids: [token], the prompt with at most one BOS, then the forced prefix.
        n_prompt: the number of tokens in `ids` that belong to the prompt.
        texts: [token], the text of each token, without white space at its ends.
        categories: [token], the category of each token. It is ANSWER in the forced prefix.
        roles: [token], the role of each token. It is None for a token without a role.
        tail: the positions of the prompt's tail and of the forced prefix.
        has_bos: whether the first token is a BOS. Many tokenizers add no BOS.
        right_id, wrong_id: the first token in which the two answers differ. It follows directly after `ids`.
    """

    prompt: Any
    ids: tuple[int, ...]
    n_prompt: int
    texts: tuple[str, ...]
    categories: tuple[str, ...]
    roles: tuple[str | None, ...]
    prompt_tail: tuple[int, ...]
    has_bos: bool
    right_id: int
    wrong_id: int

    def __len__(self) -> int:
        return len(self.ids)

    def __hash__(self) -> int:
        return hash(self.ids)

    def positions(self, role: str) -> tuple[int, ...]:
        """Return the positions of the tokens with a role."""
        return tuple(i for i, found in enumerate(self.roles) if found == role)

    @cached_property
    def tail(self) -> tuple[int, ...]:
        return self.prompt_tail + tuple(range(self.n_prompt, len(self.ids)))


def tokenize(prompt: Prompt, tokenizer: PreTrainedTokenizerFast) -> Tokens:
    """Return the tokens of a prompt, followed by the tokens that its two answers share.

    Each answer is tokenized together with the prompt. The longest common prefix of the two results, after the prompt,
    is the forced prefix.

    Raises UnscorableTokens when an answer changes the tokens of the prompt, or when the tokens of one answer are the
    beginning of the other's. Raises SelfCheckFailed when the prompt begins with two BOS tokens.
    """
    ids, offsets = _encode(prompt.text, tokenizer)
    if ids[0] == ids[1] == tokenizer.bos_token_id:
        raise SelfCheckFailed("A prompt must begin with one BOS", f"two, in {prompt.text!r}", "Correct the template.")
    answers = [
        _encode(prompt.text + prompt.answer_lead + answer, tokenizer)[0] for answer in (prompt.right, prompt.wrong)
    ]
    together = takewhile(lambda both: both[0] == both[1], zip(*answers, strict=False))
    shared = tuple(token for token, _ in together)
    if shared[: len(ids)] != ids or any(len(answer) == len(shared) for answer in answers):
        raise UnscorableTokens(
            "The answers must follow the prompt's own tokens and differ in a token",
            f"{tokenizer.convert_ids_to_tokens(answers[0])} and {tokenizer.convert_ids_to_tokens(answers[1])}"
            f" for {prompt.text!r}",
            "This tokenizer cannot be scored on this prompt.",
        )
    texts = tuple(tokenizer.decode([token]).strip() for token in shared)
    # Some tokenizers add a blank token before the text, and report the place of the first character for it.
    described = [
        _describe(prompt, *place) if text else (OTHER, None)
        for text, place in zip(texts[: len(ids)], offsets, strict=True)
    ]
    forced = len(shared) - len(ids)
    return Tokens(
        prompt=prompt,
        ids=shared,
        n_prompt=len(ids),
        texts=texts,
        categories=tuple(category for category, _ in described) + (ANSWER,) * forced,
        roles=tuple(role for _, role in described) + (None,) * forced,
        prompt_tail=tuple(i for i, place in enumerate(offsets) if _is_tail(prompt, *place)),
        has_bos=ids[0] == tokenizer.bos_token_id,
        right_id=answers[0][len(shared)],
        wrong_id=answers[1][len(shared)],
    )


def adds_bos(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Return whether the tokenizer puts a BOS before a text by default."""
    bos = tokenizer.bos_token_id
    return bos is not None and tokenizer("0")["input_ids"][0] == bos


def _encode(text: str, tokenizer: PreTrainedTokenizerFast) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """Return the ids and the character offsets of a text. A BOS comes first if the tokenizer adds one by default."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = tuple(encoded["input_ids"]), list(encoded["offset_mapping"])
    bos = tokenizer.bos_token_id
    if bos is not None and ids[0] != bos and adds_bos(tokenizer):
        ids, offsets = (bos, *ids), [(0, 0), *offsets]
    if ids[0] == bos:
        # The chat template may contain the BOS as text. It covers no characters, like a BOS that was added.
        offsets[0] = (0, 0)
    return ids, offsets


def _describe(prompt: Prompt, start: int, stop: int) -> tuple[str, str | None]:
    """Return the category and the role of the token at characters `start` to `stop`.

    White space at the ends of the token does not count.
    """
    covered = prompt.text[start:stop]
    start, stop = stop - len(covered.lstrip()), start + len(covered.rstrip())
    touched = [span for span in prompt.spans if span.touches(start, stop)]
    if not touched:
        return OTHER, None
    strongest = max(touched, key=lambda span: span.priority)
    return strongest.category, strongest.role


def _is_tail(prompt: Prompt, start: int, stop: int) -> bool:
    return any(span.is_tail and span.touches(start, stop) for span in prompt.spans)


@dataclass(frozen=True)
class Alignment:
    """The positions of a target prompt, and the positions of a donor prompt that correspond to them.

    Attributes:
        target, donor: [mapped], the positions that belong together. Both increase strictly.
        rows: the positions of `target` whose rows an edit replaces.
    """

    target: tuple[int, ...]
    donor: tuple[int, ...]
    rows: tuple[int, ...]

    def counterparts(self, length: int) -> tuple[list[int], list[int]]:
        """Return the donor's row that replaces each row of a target, and the donor's key of each key.

        Both have `length` elements, one for each token of the target. The value -1 means none.
        """
        donor_of = dict(zip(self.target, self.donor, strict=True))
        keys = [donor_of.get(position, -1) for position in range(length)]
        replaced = set(self.rows)
        return [donor if row in replaced else -1 for row, donor in enumerate(keys)], keys


def align(target: Tokens, donor: Tokens, kind: AlignmentKind = "meaning") -> Alignment:
    """Find the positions that correspond in two prompts.

    - "meaning" maps BOS to BOS, and the tokens of each role to the tokens of the same role. It maps the tail (the end
      of the prompt and the forced prefix) to the other tail, from the right.
    - "last row" maps the same columns, but only the last row of the prompt is edited.
    - "right block" and "left block" map token by token from that end, and ignore the meaning of the tokens. Published
      scripts use "left block". It moves attention to the wrong tokens when the prompts differ in length.

    Raises UnscorableTokens when a role has more tokens in one prompt than in the other.
    """
    if kind in ("right block", "left block"):
        length = min(len(target), len(donor))
        both = (range(len(target)), range(len(donor)))
        mine, theirs = (tuple(r[-length:] if kind == "right block" else r[:length]) for r in both)
        return Alignment(mine, theirs, rows=mine)
    mapped = [(0, 0)] if target.has_bos and donor.has_bos else []
    for role in dict.fromkeys(filter(None, target.roles + donor.roles)):
        mine, theirs = target.positions(role), donor.positions(role)
        if len(mine) != len(theirs):
            raise UnscorableTokens(
                "Two prompts must split corresponding text into the same number of tokens",
                f"{len(mine)} and {len(theirs)} for the {role} of {target.prompt.text!r} and {donor.prompt.text!r}",
                "This tokenizer cannot be aligned on these prompts.",
            )
        mapped += zip(mine, theirs, strict=True)
    shorter = min(len(target.tail), len(donor.tail))
    mapped += zip(target.tail[len(target.tail) - shorter :], donor.tail[len(donor.tail) - shorter :], strict=True)
    mine, theirs = tuple(t for t, _ in mapped), tuple(d for _, d in mapped)
    return Alignment(mine, theirs, rows=(target.n_prompt - 1,) if kind == "last row" else mine)


def lengthened(tokens: Tokens, length: int, tokenizer: PreTrainedTokenizerFast, *, behind: bool = False) -> Tokens:
    """Return the same prompt with neutral filler tokens (line breaks), so that it has `length` tokens in total.

    The filler stands after the BOS. With `behind` it stands at the end of the prompt. Raises ValueError when the
    prompt has more than `length` tokens already.
    """
    if len(tokens) > length:
        raise ValueError(f"A prompt of {len(tokens)} tokens cannot be lengthened to {length}")
    filler = tokenizer("\n", add_special_tokens=False)["input_ids"][-1]
    added, head = length - len(tokens), tokens.n_prompt if behind else int(tokens.has_bos)

    def widened(values: tuple, value: object) -> tuple:
        return values[:head] + (value,) * added + values[head:]

    return replace(
        tokens,
        ids=widened(tokens.ids, filler),
        n_prompt=tokens.n_prompt + added,
        texts=widened(tokens.texts, ""),
        categories=widened(tokens.categories, OTHER),
        roles=widened(tokens.roles, None),
        prompt_tail=tuple(position + added * (position >= head) for position in tokens.prompt_tail),
    )
