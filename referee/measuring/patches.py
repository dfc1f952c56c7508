"""Replaces attention at one layer by that of a donor prompt, and measures the margin or the text that follows.

It replaces either the patterns of heads or blocks of the attention module's output. The replacement can continue while
the model generates text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from referee.attention.edits import Edit, InHeads, Replace, edited
from referee.attention.grouping import alike
from referee.attention.kv_cache import cache_of
from referee.attention.outputs import Outputs, Write, attending_to_first, block_mask, patched
from referee.attention.unedited import Unedited
from referee.errors import SelfCheckFailed
from referee.measuring.answers import end_tokens, until_end
from referee.measuring.requests import Patch
from referee.measuring.scores import margins_of, most_likely
from referee.models.subjects import Subject
from referee.prompts.tokens import align

OutputsAt = Callable[[int], Outputs]
"""Returns the object that reads and writes the outputs of a layer."""


def patched_margins(subject: Subject, outputs: OutputsAt, some: Sequence[Patch]) -> list[float]:
    """Returns the margin of each patch in logits, after `tokens` and `forced`.

    Raises SelfCheckFailed when a margin is not finite.
    """

    def measured(group: Sequence[Patch]) -> list[float]:
        run = _Run(outputs(group[0].layer), group)
        found = margins_of(subject, run.last, [patch.tokens for patch in group])
        if not found.isfinite().all():
            raise SelfCheckFailed("Every margin must be finite", "NaN or infinity", "Try --dtype float32.")
        return found.cpu().tolist()

    return _in_groups(some, measured)


def patched_texts(subject: Subject, outputs: OutputsAt, new_tokens: int, some: Sequence[Patch]) -> list[str]:
    """Returns what the model writes after `tokens` and `forced`: at most `new_tokens` tokens, each the most likely one.

    The text begins with the forced prefix in `tokens`, then comes `forced`. It ends before the end of the turn. Special
    tokens are left out.
    """

    def measured(group: Sequence[Patch]) -> list[str]:
        run = _Run(outputs(group[0].layer), group)
        ends = torch.tensor(end_tokens(subject), device=subject.device)
        written = [most_likely(subject, run.last)]
        ended = torch.isin(written[-1], ends)
        while len(written) < new_tokens and not ended.all():
            run.step(written[-1])
            written.append(most_likely(subject, run.last))
            ended |= torch.isin(written[-1], ends)
        rows = torch.stack(written, dim=1).tolist()
        return [_text(subject, patch, row) for patch, row in zip(group, rows, strict=True)]

    return _in_groups(some, measured)


def _in_groups(some: Sequence[Patch], measured: Callable[[Sequence[Patch]], list]) -> list:
    """Returns `measured(group)` of patches with the same kind of replacement and equal numbers of rows, in order."""

    def kind(patch: Patch) -> tuple:
        donor = len(patch.donor) if patch.donor else None
        return patch.layer, patch.site, patch.while_decoding, len(patch.tokens), donor, len(patch.forced)

    found: dict[int, Any] = {}
    for group in alike(some, kind):
        found |= dict(zip(group, measured([some[i] for i in group]), strict=True))
    return [found[i] for i in range(len(some))]


def _text(subject: Subject, patch: Patch, written: Sequence[int]) -> str:
    ids = [*patch.tokens.ids[patch.tokens.n_prompt :], *patch.forced, *written]
    text: str = subject.tokenizer.decode(until_end(subject, ids), skip_special_tokens=True)
    return text


class _Run:
    """Patches of one layer, one site and equal numbers of rows, which run together.

    Attributes:
        last: the normalised residual stream at the last row, [trial, size].
    """

    def __init__(self, outputs: Outputs, group: Sequence[Patch]) -> None:
        """Runs `tokens` and `forced` of each patch."""
        self._outputs, self._group = outputs, group
        subject = outputs.subject
        self._device = subject.device
        self._cache = cache_of({})
        self._amounts = torch.tensor([patch.amount for patch in group], device=self._device)
        self._donors = [patch.donor for patch in group if patch.donor]
        self._donated = self._read() if self._donors else None
        ids = torch.tensor([patch.tokens.ids for patch in group])
        self._advance(ids, self._first_write() if self._donors else None)
        for place in range(len(group[0].forced)):
            self.step(torch.tensor([patch.forced[place] for patch in group]))

    def step(self, tokens: Tensor) -> None:
        """Runs one more row; `tokens` are the tokens of this row, [trial]."""
        later = self._donors and self._group[0].while_decoding
        self._advance(tokens[:, None], self._later_write() if later else None)

    def _advance(self, ids: Tensor, write: Write | None) -> None:
        written = {} if write is None else {self._site: write}
        self.last = self._outputs.advance(ids, self._cache, **written)

    @property
    def _site(self) -> str:
        return self._group[0].site

    def _read(self) -> Tensor:
        """Returns the donors' patterns, [trial, head, row, key], or their outputs, [trial, row, size]."""
        places = {donor: i for i, donor in enumerate(dict.fromkeys(self._donors))}
        ids = torch.tensor([donor.ids for donor in places])
        if self._site == "pattern":
            found = self._outputs.read(ids, [self._outputs.subject.layer])[:, 0]
        else:
            found = self._outputs.read_outputs(ids)
        return found[torch.tensor([places[donor] for donor in self._donors], device=found.device)]

    def _first_write(self) -> Write:
        """Returns what replaces the pattern or the output of `tokens`."""
        if self._site == "pattern":
            edits = [_edit_of(patch) for patch in self._group]
            prompts = [patch.tokens for patch in self._group]
            return lambda own: edited(edits, Unedited(prompts, own, self._donors, self._donated))
        rows = [_counterparts(patch) for patch in self._group]
        return self._write_outputs(torch.tensor(rows, device=self._device))

    def _later_write(self) -> Write:
        """Returns what replaces the pattern or the output of one later row: the donor's first row."""
        if self._site == "pattern":
            chosen = torch.stack([block_mask(self._heads, self._heads, patch.parts) for patch in self._group])
            return lambda own: attending_to_first(own, chosen.to(own.device), self._amounts)
        return self._write_outputs(torch.zeros(len(self._group), 1, dtype=torch.long, device=self._device))

    def _write_outputs(self, rows: Tensor) -> Write:
        donated = self._donated
        assert donated is not None
        masks = [block_mask(donated.shape[-1], self._heads, patch.parts) for patch in self._group]
        chosen = torch.stack(masks).to(donated.device)
        return lambda own: patched(own, donated, rows, chosen, self._amounts)

    @property
    def _heads(self) -> int:
        return self._outputs.subject.n_heads


def _edit_of(patch: Patch) -> Edit:
    assert patch.donor is not None
    whole = Replace(patch.donor, patch.amount, patch.alignment)
    return whole if patch.parts is None else InHeads(whole, patch.parts)


def _counterparts(patch: Patch) -> list[int]:
    """Returns the donor's row of each row of the prompt, or −1."""
    assert patch.donor is not None
    rows, _ = align(patch.tokens, patch.donor, patch.alignment).counterparts(len(patch.tokens))
    return rows
