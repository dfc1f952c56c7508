"""What is sent of trials: token ids, and the patterns to write, as compact as they allow.

The edits themselves run in this process, in float32. Many trials write the same pattern in other heads, or a mixture of
their own pattern and another one. So a pattern is sent once, and each trial has its index, its heads and its share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from referee.attention.edits import (
    Edit,
    Flatten,
    InHeads,
    Keep,
    Replace,
    Silence,
    ToFirstKey,
    TurnInward,
    edited_pattern,
)
from referee.measuring.edited_rows import edited_batch
from referee.measuring.requests import Trial

MOST_BYTES = 50_000_000
"""The largest size of one request or of its results, before compression. The service allows 100 MB."""
_SAME_IN_ALL = (Flatten, TurnInward, ToFirstKey, Silence)
"""Edits whose result depends only on the number of tokens: it is the same in all heads and prompts."""
Plain = dict[str, Any]
Own = Mapping[tuple[int, Trial], Tensor]
"""The pattern of a layer, [head, query, key], by layer and by a trial with the edits of the layers below alone."""
Item = TypeVar("Item")


class Part(NamedTuple):
    """An edit, taken apart: the share `amount` of the patterns of some heads is replaced by the pattern of `whole`.

    Attributes:
        whole: the edit that gives the pattern of all heads.
        heads: the heads that change. None means all heads.
    """

    whole: Edit
    amount: float = 1.0
    heads: frozenset[int] | None = None


def taken_apart(edit: Edit) -> Part:
    """Returns an edit as a `Part`."""
    if isinstance(edit, Keep):
        return Part(Silence(), 0.0)  # a share of 0 leaves every pattern as it is
    if isinstance(edit, InHeads):
        inner, heads = taken_apart(edit.edit), frozenset(edit.heads)
        return inner._replace(heads=heads if inner.heads is None else heads & inner.heads)
    if isinstance(edit, Replace) and 0 <= edit.amount <= 1:
        return Part(replace(edit, amount=1.0), edit.amount)
    return Part(edit)


def same_in_all(whole: Edit) -> bool:
    """Returns whether the result of an edit is the same in all heads and prompts of one length."""
    return isinstance(whole, _SAME_IN_ALL)


def edits_of(trial: Trial, layer: int) -> Mapping[int, Edit]:
    """Returns the edits to send for a trial by layer. An unedited trial gets its own pattern back at `layer`.

    So an edited trial differs from an unedited one by its pattern alone, whatever function the service runs.
    """
    return dict(trial.edits) or {layer: Keep()}


def below(trial: Trial, layer: int) -> Trial:
    """Returns the trial with the edits of the layers below `layer` alone."""
    return Trial(trial.tokens, {edited: edit for edited, edit in trial.edits if edited < layer})


def needed(trial: Trial) -> list[tuple[int, Trial]]:
    """Returns the patterns from which the edits of a trial are computed, in the order of the layers; see `Own`."""
    found = []
    for layer, edit in trial.edits:
        if not same_in_all(taken_apart(edit).whole):
            found.append((layer, below(trial, layer)))
            if edit.donor:
                found.append((layer, Trial(edit.donor)))
    return found


def trials_of(trials: Sequence[Trial], layer: int | None, n_heads: int, own: Own) -> Plain:
    """Returns what is sent of trials with equally many tokens and the same edited layers.

    `layer` is the layer at which an unedited trial gets its own pattern back. None: it gets none back.

    Returns:
        ids: the distinct prompts, [prompt, token].
        prompt: the prompt of each trial, [trial].
        writes: a dictionary for each edited layer, in order; see `_write`.
        start: the lowest of these layers.
    """
    places = {trial.tokens.ids: i for i, trial in enumerate({trial.tokens.ids: trial for trial in trials}.values())}
    edits = [dict(trial.edits) if layer is None else edits_of(trial, layer) for trial in trials]
    writes = [_write(trials, [each[at] for each in edits], at, n_heads, own) for at in sorted(edits[0])]
    return {
        "ids": torch.tensor(list(places)),
        "prompt": torch.tensor([places[trial.tokens.ids] for trial in trials]),
        "writes": writes,
        "start": min(edits[0], default=0),
    }


def _write(trials: Sequence[Trial], edits: Sequence[Edit], layer: int, n_heads: int, own: Own) -> Plain:
    """Returns what is written at one layer.

    Returns:
        layer: the layer.
        whole: the distinct patterns, [pattern, head or 1, query, key] in float32.
        index: the pattern of each trial, [trial].
        amount: the share of this pattern, [trial] in float32.
        heads: whether a trial changes a head, [trial, head].
    """
    parts = [taken_apart(edit) for edit in edits]
    keys = [_pattern_key(trial, part.whole, layer) for trial, part in zip(trials, parts, strict=True)]
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    places = {key: place for place, key in enumerate(first)}
    chosen = [[part.heads is None or head in part.heads for head in range(n_heads)] for part in parts]
    return {
        "layer": layer,
        "whole": _wholes([trials[i] for i in first.values()], [parts[i].whole for i in first.values()], layer, own),
        "index": torch.tensor([places[key] for key in keys]),
        "amount": torch.tensor([part.amount for part in parts], dtype=torch.float32),
        "heads": torch.tensor(chosen),
    }


def _pattern_key(trial: Trial, whole: Edit, layer: int) -> Any:
    """Returns a key of the pattern that an edit gives. Trials with equal keys share the pattern."""
    return (len(trial.tokens), whole) if same_in_all(whole) else (below(trial, layer), whole)


def _wholes(trials: Sequence[Trial], wholes: Sequence[Edit], layer: int, own: Own) -> Tensor:
    """Returns the patterns of edits in all heads, [trial, head or 1, query, key]."""
    length = len(trials[0].tokens)
    same = [i for i, whole in enumerate(wholes) if same_in_all(whole)]
    other = [i for i in range(len(wholes)) if i not in same]
    nothing = torch.zeros(1, length, length)
    found = {i: edited_pattern(wholes[i], trials[i].tokens, nothing) for i in same}
    if other:
        some = [trials[i] for i in other]
        given = torch.stack([own[layer, below(trial, layer)] for trial in some])
        edits = [wholes[i] for i in other]
        computed = edited_batch(some, edits, given, lambda donor: own[layer, Trial(donor)])
        found |= dict(zip(other, computed, strict=True))
    heads = max(len(pattern) for pattern in found.values())
    return torch.stack([found[i].expand(heads, -1, -1) for i in range(len(wholes))])


def sizes(trial: Trial, layer: int | None, n_heads: int) -> dict[Any, int]:
    """Returns the bytes of each part of what is sent of a trial, by a key. Trials share parts with equal keys."""
    length = len(trial.tokens)
    found: dict[Any, int] = {trial.tokens.ids: 8 * length}
    edits = dict(trial.edits) if layer is None else edits_of(trial, layer)
    for at, edit in edits.items():
        whole = taken_apart(edit).whole
        size = torch.float32.itemsize * length**2 * (1 if same_in_all(whole) else n_heads)
        found[at, _pattern_key(trial, whole, at)] = size
    return found


def bytes_to_read(trial: Trial, n_heads: int) -> int:
    """Returns the bytes that are sent only to read the patterns between the edits of a trial in several layers."""
    lowered = dict.fromkeys(other for _, other in needed(trial) if other.edits)
    return sum(sum(sizes(other, None, n_heads).values()) for other in lowered)


def requests(
    items: Sequence[Item], sizes_of: Callable[[Item], Mapping[Any, int]], *, own: int = 0, most: int = MOST_BYTES
) -> Iterator[list[Item]]:
    """Yields the items of one request after the other, in order. A request has at most `most` bytes, or one item.

    `sizes_of` returns the bytes of the parts of an item by a key. Equal parts are sent once. `own` is the number of
    bytes that an item does not share.
    """
    some: list[Item] = []
    sent: set[Any] = set()
    total = 0
    for item in items:
        parts = sizes_of(item)
        new = own + sum(size for key, size in parts.items() if key not in sent)
        if some and total + new > most:
            yield some
            some, sent, total, new = [], set(), 0, own + sum(parts.values())
        some.append(item)
        sent |= parts.keys()
        total += new
    if some:
        yield some


def asked_of(rows: Sequence[Sequence[tuple[int, Sequence[int]]]]) -> Plain:
    """Returns the rows that are read and the tokens whose logits are asked there, padded with zeros.

    `rows` has, for each trial, the index of each row and the ids of its tokens.

    Returns:
        rows: [trial, row].
        asked: [trial, row, token].
    """
    most, widest = max(map(len, rows)), max(len(ids) for each in rows for _, ids in each)
    places = torch.zeros(len(rows), most, dtype=torch.long)
    asked = torch.zeros(len(rows), most, widest, dtype=torch.long)
    for i, each in enumerate(rows):
        for j, (row, ids) in enumerate(each):
            places[i, j] = row
            asked[i, j, : len(ids)] = torch.tensor(ids)
    return {"rows": places, "asked": asked}
