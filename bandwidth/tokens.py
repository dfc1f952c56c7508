"""Prompt + tokenizer → token ids with the category and role of each, and alignments between prompts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Literal, TypeVar

from bandwidth.errors import SelfCheckFailed, UnscorableTokens
from bandwidth.prompts import Label, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Item = TypeVar("Item")
Category = Literal["numerical", "format", "other", "answer"]
CATEGORIES: tuple[Category, ...] = ("numerical", "format", "other")
"""Of a prompt's tokens; those of the answer's forced beginning are a kind of their own."""
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
    """Which part of which of the two numbers a token belongs to."""

    number: Literal["first", "second"]
    part: Part


@dataclass(frozen=True)
class Tokens:
    """A prompt as a model sees it, with the answer's shared beginning teacher-forced.

    Attributes:
        ids: prompt (its one BOS included), then the forced prefix; [token].
        n_prompt: how many of `ids` are the prompt's.
        categories: of each token; those of the forced prefix are "answer".
        roles: of each token; None where it is no part of a number of the prompt.
        cue: positions of the answer cue, empty where the format has none.
        has_bos: whether the first token is a BOS (many tokenizers put none).
        right_id, wrong_id: the tokens in which the two answers part, right after `ids`.
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
        return tuple(i for i, held in enumerate(self.roles) if held == role)

    @cached_property
    def tail(self) -> tuple[int, ...]:
        """Positions of the answer cue and of the forced prefix."""
        return self.cue + tuple(range(self.n_prompt, len(self.ids)))


@lru_cache(maxsize=10_000)
def tokenize(prompt: Prompt, tokenizer: PreTrainedTokenizerFast) -> Tokens:
    """The tokens of a prompt and of what its two answers share.

    The answers are tokenized together with the prompt; their longest common prefix beyond the prompt
    is teacher-forced. Raises UnscorableTokens where the prompt's own tokens change under the answer or
    one answer's tokens begin the other's, SelfCheckFailed for a doubled BOS.
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
    # A tokenizer that puts a blank of its own before the text reports the first character's place for it.
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
    """Ids and character offsets, with one BOS in front where the tokenizer by itself puts one there."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = tuple(encoded["input_ids"]), list(encoded["offset_mapping"])
    bos = tokenizer.bos_token_id
    if bos is not None and ids[0] != bos and tokenizer("0")["input_ids"][0] == bos:
        ids, offsets = (bos, *ids), [(0, 0), *offsets]
    if ids[0] == bos:
        # A BOS that the chat template wrote out is a separator like one that was put in front.
        offsets[0] = (0, 0)
    return ids, offsets


def _describe(prompt: Prompt, start: int, stop: int) -> tuple[Category, Role | None]:
    """Category and role of a token that covers characters start to stop, apart from white space at its ends."""
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
    """Whether any of the characters has the label."""
    start, stop = place
    return any(span.label == label and span.start < stop and start < span.stop for span in prompt.spans)


def _part(text: str, number_start: int, position: int) -> Part:
    if text[position] == ".":
        return "point"
    return "fraction" if "." in text[number_start:position] else "integer"


def _sharper(one: Role | None, other: Role) -> Role:
    """The role of a token that covers several parts of a number: its fraction, else its integer."""
    ranks = ("point", "integer", "fraction")
    return other if one is None or ranks.index(other.part) > ranks.index(one.part) else one


def _by_substring(token: int, tokenizer: PreTrainedTokenizerFast) -> Category:
    """The seed document's rule, kept for comparison: it calls "This" format for the "is" in it."""
    text = tokenizer.decode([token]).strip()
    if any(part in text for part in _SUBSTRING_FORMAT):
        return "format"
    return "numerical" if any(part in text for part in _SUBSTRING_NUMERICAL) else "other"


@dataclass(frozen=True)
class Alignment:
    """Which position of a donor prompt each position of a target prompt corresponds to.

    Attributes:
        target, donor: positions that belong together, both strictly increasing; [mapped].
        rows: the positions of `target` whose rows an edit replaces.
    """

    target: tuple[int, ...]
    donor: tuple[int, ...]
    rows: tuple[int, ...]


def align(target: Tokens, donor: Tokens, kind: AlignmentKind = "meaning") -> Alignment:
    """How two prompts about the same two numbers correspond.

    "meaning" takes BOS to BOS, each number's tokens to the same number's, and the tail (answer cue,
    forced prefix) to the tail from the right. "last row" has the same columns and edits only the
    prompt's last row. "right block" and "left block" lay one prompt on the other from that end, token
    by token: they ignore what tokens mean, and "left block", which published scripts use, moves
    attention to the wrong tokens as soon as the formats differ in length.

    Raises UnscorableTokens where the two prompts split the same number differently.
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
    """The same prompt with neutral filler (line breaks), `length` tokens in all.

    The filler stands after the BOS, or with `behind` at the end of the prompt. Raises ValueError when the prompt is
    longer than that already.
    """
    if len(tokens) > length:
        raise ValueError(f"A prompt of {len(tokens)} tokens cannot be lengthened to {length}")
    filler = tokenizer("\n", add_special_tokens=False)["input_ids"][-1]
    added, head = length - len(tokens), tokens.n_prompt if behind else int(tokens.has_bos)

    def widened(held: tuple, value: object) -> tuple:
        return held[:head] + (value,) * added + held[head:]

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
    """Indices of the items, grouped by key, in order of first appearance."""
    groups: dict[Hashable, list[int]] = {}
    for i, item in enumerate(items):
        groups.setdefault(key(item), []).append(i)
    return list(groups.values())
