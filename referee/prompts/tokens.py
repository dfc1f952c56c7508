"""Turns a prompt into token ids, gives each token a category and a role, and aligns the tokens of two prompts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Literal, TypeVar

from claims.competition.prompts import Label, Prompt
from referee.errors import SelfCheckFailed, UnscorableTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Item = TypeVar("Item")
Category = Literal["numerical", "format", "other", "answer"]
CATEGORIES: tuple[Category, ...] = ("numerical", "format", "other")
"""The categories of a prompt's tokens. The tokens of the answer's forced prefix have the extra category "answer"."""
Part = Literal["integer", "point", "fraction"]
AlignmentKind = Literal["meaning", "last row", "right block", "left block"]

_SUBSTRING_FORMAT: tuple[str, ...] = (
    "Q",
    ":",
    "A",
    "Which",
    "is",
    "bigger",
    "?",
    "<|start_header_id|>",
    "<|end_header_id|>",
)
_SUBSTRING_FORMAT += ("user", "assistant")
_SUBSTRING_NUMERICAL: tuple[str, ...] = (".", *"0123456789")


@dataclass(frozen=True)
class Role:
    """The number to which a token belongs, and the part of that number."""

    number: Literal["first", "second"]
    part: Part


@dataclass(frozen=True)
class Tokens:
    """A prompt as token ids, followed by the forced prefix of the answer.

    The two answers begin with the same tokens. These tokens are the forced prefix: they are put after the prompt, and
    the model does not choose them.

    Attributes:
        ids: [token], the prompt with at most one BOS, then the forced prefix.
        n_prompt: the number of tokens in `ids` that belong to the prompt.
        categories: [token], the category of each token. It is "answer" in the forced prefix.
        substring_categories: [token], as `categories`, but by the seed document's rule (`_by_substring`).
        roles: [token], the role of each token. It is None for a token outside the prompt's numbers.
        cue: the positions of the answer cue. It is empty for a format without a cue.
        has_bos: whether the first token is a BOS. Many tokenizers add no BOS.
        right_id, wrong_id: the first token in which the two answers differ. It follows directly after `ids`.
    """

    prompt: Prompt
    ids: tuple[int, ...]
    n_prompt: int
    categories: tuple[Category, ...]
    substring_categories: tuple[Category, ...]
    roles: tuple[Role | None, ...]
    cue: tuple[int, ...]
    has_bos: bool
    right_id: int
    wrong_id: int

    def __len__(self) -> int:
        return len(self.ids)

    def __hash__(self) -> int:
        return hash(self.ids)

    def positions(self, role: Role) -> tuple[int, ...]:
        return tuple(i for i, found in enumerate(self.roles) if found == role)

    @cached_property
    def tail(self) -> tuple[int, ...]:
        """The positions of the answer cue and of the forced prefix."""
        return self.cue + tuple(range(self.n_prompt, len(self.ids)))


@lru_cache(maxsize=10_000)
def tokenize(prompt: Prompt, tokenizer: PreTrainedTokenizerFast) -> Tokens:
    """Return the tokens of a prompt, followed by the tokens that its two answers share.

    Each answer is tokenized together with the prompt. The longest common prefix of the two results, after the prompt,
    is the forced prefix.

    Raises UnscorableTokens when an answer changes the tokens of the prompt, or when the tokens of one answer are the
    beginning of the other's. Raises SelfCheckFailed when the prompt begins with two BOS tokens.
    """
    ids, offsets = _encode(prompt.text, tokenizer)
    if ids[0] == ids[1] == tokenizer.bos_token_id:
        raise SelfCheckFailed("A prompt must begin with one BOS", f"two, in {prompt.text!r}", "Mend the chat template.")
    answers = [
        _encode(prompt.text + prompt.format.answer_lead + number, tokenizer)[0]
        for number in (prompt.right, prompt.wrong)
    ]
    together = takewhile(lambda pair: pair[0] == pair[1], zip(*answers, strict=False))
    shared = tuple(token for token, _ in together)
    if shared[: len(ids)] != ids or any(len(answer) == len(shared) for answer in answers):
        raise UnscorableTokens(
            "The answers must follow the prompt's own tokens and differ in a token",
            f"{tokenizer.convert_ids_to_tokens(answers[0])} and {tokenizer.convert_ids_to_tokens(answers[1])}"
            f" for {prompt.text!r}",
            "This tokenizer cannot be scored on this format.",
        )
    by_substring = [_by_substring(token, tokenizer) for token in ids]
    # Some tokenizers add a blank token before the text, and report the place of the first character for it.
    blank = [not tokenizer.decode([token]).strip() for token in ids]
    described = [
        ("other", None) if empty else _describe(prompt, *place) for empty, place in zip(blank, offsets, strict=True)
    ]
    forced: tuple[Category, ...] = tuple("answer" for _ in shared[len(ids) :])
    return Tokens(
        prompt=prompt,
        ids=shared,
        n_prompt=len(ids),
        categories=tuple(category for category, _ in described) + forced,
        substring_categories=(*by_substring, *forced),
        roles=tuple(role for _, role in described) + (None,) * len(forced),
        cue=tuple(i for i, place in enumerate(offsets) if _touches(prompt, place, "cue")),
        has_bos=ids[0] == tokenizer.bos_token_id,
        right_id=answers[0][len(shared)],
        wrong_id=answers[1][len(shared)],
    )


def _encode(text: str, tokenizer: PreTrainedTokenizerFast) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """Return the ids and the character offsets of a text. A BOS comes first if the tokenizer adds one by default."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = tuple(encoded["input_ids"]), list(encoded["offset_mapping"])
    bos = tokenizer.bos_token_id
    if bos is not None and ids[0] != bos and tokenizer("0")["input_ids"][0] == bos:
        ids, offsets = (bos, *ids), [(0, 0), *offsets]
    if ids[0] == bos:
        # The chat template may contain the BOS as text. It covers no characters, like a BOS that was added.
        offsets[0] = (0, 0)
    return ids, offsets


def _describe(prompt: Prompt, start: int, stop: int) -> tuple[Category, Role | None]:
    """Return the category and the role of the token at characters `start` to `stop`.

    White space at the ends of the token does not count.
    """
    covered = prompt.text[start:stop]
    start, stop = stop - len(covered.lstrip()), start + len(covered.rstrip())
    role = None
    for span in prompt.spans:
        if span.label in ("first", "second"):
            for position in range(max(start, span.start), min(stop, span.stop)):
                role = _sharper(role, Role(span.label, _part(prompt.text, span.start, position)))
    if role is not None:
        return "numerical", role
    is_format = _touches(prompt, (start, stop), "format") or _touches(prompt, (start, stop), "cue")
    return ("format" if is_format else "other"), None


def _touches(prompt: Prompt, place: tuple[int, int], label: Label) -> bool:
    """Whether any character at `place` (start, stop) has the label."""
    start, stop = place
    return any(span.label == label and span.start < stop and start < span.stop for span in prompt.spans)


def _part(text: str, number_start: int, position: int) -> Part:
    if text[position] == ".":
        return "point"
    return "fraction" if "." in text[number_start:position] else "integer"


def _sharper(one: Role | None, other: Role) -> Role:
    """Choose between two roles of one token that covers several parts of a number.

    The fraction comes before the integer, and the integer comes before the point.
    """
    ranks = ("point", "integer", "fraction")
    return other if one is None or ranks.index(other.part) > ranks.index(one.part) else one


def _by_substring(token: int, tokenizer: PreTrainedTokenizerFast) -> Category:
    """Return the category by the seed document's rule, which the suite keeps for comparison.

    This rule calls "This" a format token, because the word contains "is".
    """
    text = tokenizer.decode([token]).strip()
    if any(part in text for part in _SUBSTRING_FORMAT):
        return "format"
    return "numerical" if any(part in text for part in _SUBSTRING_NUMERICAL) else "other"


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


def align(target: Tokens, donor: Tokens, kind: AlignmentKind = "meaning") -> Alignment:
    """Find the positions that correspond in two prompts about the same two numbers.

    - "meaning" maps BOS to BOS and each number's tokens to the tokens of the same number. It maps the tail (answer
      cue and forced prefix) to the other tail, from the right.
    - "last row" maps the same columns, but only the last row of the prompt is edited.
    - "right block" and "left block" map token by token from that end, and ignore the meaning of the tokens.
      Published scripts use "left block". It moves attention to the wrong tokens when the formats differ in length.

    Raises UnscorableTokens when the two prompts split the same number differently.
    """
    if kind in ("right block", "left block"):
        length = min(len(target), len(donor))
        both = (range(len(target)), range(len(donor)))
        mine, theirs = (tuple(r[-length:] if kind == "right block" else r[:length]) for r in both)
        return Alignment(mine, theirs, rows=mine)
    mapped = [(0, 0)] if target.has_bos and donor.has_bos else []
    for number in ("first", "second"):
        for part in ("integer", "point", "fraction"):
            role = Role(number, part)
            mine, theirs = target.positions(role), donor.positions(role)
            if len(mine) != len(theirs):
                raise UnscorableTokens(
                    "A number must have the same tokens in both prompts",
                    f"{len(mine)} and {len(theirs)} for the {part} of the {number} number of"
                    f" {target.prompt.text!r} and {donor.prompt.text!r}",
                    "This tokenizer cannot be aligned on these formats.",
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
        categories=widened(tokens.categories, "other"),
        substring_categories=widened(tokens.substring_categories, "other"),
        roles=widened(tokens.roles, None),
        cue=tuple(position + added * (position >= head) for position in tokens.cue),
    )


def alike(items: Sequence[Item], key: Callable[[Item], Hashable]) -> list[list[int]]:
    """Group the indices of the items by key. The groups are in the order in which their keys first appear."""
    groups: dict[Hashable, list[int]] = {}
    for i, item in enumerate(items):
        groups.setdefault(key(item), []).append(i)
    return list(groups.values())
