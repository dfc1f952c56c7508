"""Two ways to run trials: through nnsight, the reference, and a plain PyTorch tail for Llama-shaped models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

from bandwidth.attention import Attention, Readout
from bandwidth.edits import Edit, InHeads
from bandwidth.entered import Entered
from bandwidth.subjects import Subject
from bandwidth.tail import Tail
from bandwidth.tokens import Tokens

_ROWS_WORTH, _TRIALS_WORTH = 2, 3
"""So many leading rows, in so many trials of a prompt, are worth computing once beforehand."""
_REMEMBERED = 64 << 20
"""Bytes of edited rows that are not made again, once it is known which they are."""
NAMES = ("nnsight", "torch")
_chosen = "nnsight"


class Backend(Protocol):
    """Runs batches of trials of one length."""

    @property
    def name(self) -> str: ...

    def prepare(self, trials: Sequence[Any], progress: str | None) -> None:
        """Told all trials of a sweep before the first batch: what they share is computed once. `progress` names it."""
        ...

    def rows(self, trial: Any) -> int:
        """How many rows of a trial are computed."""
        ...

    def run(self, tokens: Sequence[Tokens], edits: Sequence[Edit | None]) -> Readout:
        """A batch of prompts of equal length, either all edited or none."""
        ...


def use(name: str) -> None:
    """Chooses the backend of all that follows: "nnsight", or "torch" for models that it can run."""
    global _chosen
    if name not in NAMES:
        raise ValueError(f"A backend is one of {', '.join(NAMES)}; got {name!r}")
    _chosen = name


def of(subject: Subject) -> Backend:
    """The chosen backend for a subject; nnsight for a model that is not Llama-shaped."""
    if _chosen == "torch" and Tail.can_run(subject):
        return TorchBackend(subject)
    return NnsightBackend(subject)


class NnsightBackend:
    """All in nnsight's traces: what the trials of a prompt share once, the rest for every trial.

    Shared are the layers below the layer of interest and, above, the rows before the first one that an edit reaches,
    those with which prompts begin alike, and those that are known already.
    """

    name = "nnsight"

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.entered = Entered.of(subject)
        self._lately: tuple[Any, Any] = (None, None)
        self._starts: dict[tuple[Tokens, Edit | None], int] = {}
        self._made: dict[tuple[Tokens, Edit], Tensor] = {}
        self._room = 0

    def prepare(self, trials: Sequence[Any], progress: str | None) -> None:
        donors = [trial.edit.donor for trial in trials if trial.edit and trial.edit.donor]
        self.entered.prepare([*(trial.tokens for trial in trials), *donors], progress)
        self._made, self._room = {}, _REMEMBERED
        reached = {(t.tokens, t.edit): self._first_changed(t.tokens, t.edit) for t in trials if t.edit}
        late = [(tokens, first) for (tokens, _), first in reached.items() if _ROWS_WORTH <= first < len(tokens)]
        times = Counter(tokens for tokens, _ in late)
        wanted: dict[Tokens, int] = {}
        for tokens, first in late:
            if self.entered.keeps and times[tokens] >= _TRIALS_WORTH:
                wanted[tokens] = max(first, wanted.get(tokens, 0))
        unedited = [trial.tokens for trial in trials if not trial.edit]
        for trunk, shared in map(self.entered.trunk, unedited):
            wanted[trunk] = max(shared, wanted.get(trunk, 0))
        self.entered.prepare_keys(wanted, progress)
        self._starts = {(t, edit): min(first, self.entered.rows_known(t)) for (t, edit), first in reached.items()}
        self._starts |= {(tokens, None): self.entered.rows_known(tokens) for tokens in unedited}

    def rows(self, trial: Any) -> int:
        return len(trial.tokens) - self._starts[trial.tokens, trial.edit]

    def run(self, tokens: Sequence[Tokens], edits: Sequence[Edit | None]) -> Readout:
        start = min(self._starts[held] for held in zip(tokens, edits, strict=True))
        hidden = torch.stack([self.entered.hidden(t) for t in tokens])
        patterns = [self._rows_edited(t, edit, start) for t, edit in zip(tokens, edits, strict=True) if edit]
        ids = torch.tensor([t.ids for t in tokens])
        before = self.entered.keys(tokens, start)
        return Attention(self.subject).run(ids, torch.stack(patterns) if patterns else None, hidden, before)

    def edited(self, tokens: Tokens, edit: Edit) -> Tensor:
        """A prompt's pattern under an edit, [head, query, key]."""
        own = self.entered.pattern(tokens)
        if isinstance(edit, InHeads):
            # Subsets of heads share what the edit would do in all of them.
            return edit.only(own, self._everywhere(tokens, edit.edit))
        return self._everywhere(tokens, edit)

    def _everywhere(self, tokens: Tokens, edit: Edit) -> Tensor:
        if (tokens, edit) != self._lately[0]:
            donor = self.entered.pattern(edit.donor) if edit.donor else None
            self._lately = ((tokens, edit), edit(tokens, self.entered.pattern(tokens), donor))
        return self._lately[1]

    def _rows_edited(self, tokens: Tokens, edit: Edit, start: int) -> Tensor:
        """An edited pattern's rows from `start` on, which is not after the first one that is another."""
        made = self._made.get((tokens, edit))
        if made is None:
            return self.edited(tokens, edit)[:, start:]
        first = len(tokens) - made.shape[1]
        return torch.cat((self.entered.pattern(tokens)[:, start:first], made), dim=1)

    def _first_changed(self, tokens: Tokens, edit: Edit) -> int:
        """The first row in which an edited pattern is another; the number of rows where none is."""
        edited = self.edited(tokens, edit)
        changed = (edited.numpy() != self.entered.pattern(tokens).numpy()).any(axis=(0, 2)).nonzero()[0]
        first = int(changed[0]) if changed.size else len(tokens)
        made = edited[:, first:]
        if made.nbytes <= self._room:
            self._made[tokens, edit], self._room = made.clone(), self._room - made.nbytes
        return first


class TorchBackend(NnsightBackend):
    """Rows and layers that trials do not share in plain PyTorch; what they share still comes through nnsight."""

    name = "torch"

    def run(self, tokens: Sequence[Tokens], edits: Sequence[Edit | None]) -> Readout:
        start = min(self._starts[held] for held in zip(tokens, edits, strict=True))
        patterns = [
            self._rows_edited(t, edit, start) if edit else self.entered.pattern(t)[:, start:]
            for t, edit in zip(tokens, edits, strict=True)
        ]
        written = torch.stack(patterns).to(self.subject.device, self.subject.model.dtype)
        tail = Tail.of(self.subject)
        tail.lay_out(self.subject.layer)

        def part(rows: slice) -> Readout:
            place = {prompt: i for i, prompt in enumerate(dict.fromkeys(tokens[rows]))}
            which = torch.tensor([place[t] for t in tokens[rows]], device=self.subject.device)
            hidden = torch.stack([self.entered.hidden(t) for t in place])
            before = self.entered.keys(list(place), start)
            return tail.run(self.subject.layer, hidden, which, written[rows], start, before)

        return Readout.joined(_side_by_side(part, len(tokens), self.subject.device.type))


def _side_by_side(part: Callable[[slice], Readout], rows: int, device: str) -> list[Readout]:
    """Parts of a batch, on a CPU each by a thread of its own: faster than all threads together on every product."""
    threads = torch.get_num_threads() if device == "cpu" else 1
    size = -(-rows // threads)
    slices = [slice(start, start + size) for start in range(0, rows, size)]
    if len(slices) == 1:
        return [part(slices[0])]
    found = list(_pool(threads).map(part, slices))
    torch.set_num_threads(threads)  # what a worker sets for itself is the default of threads to come, too
    return found


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "tail", initializer=torch.set_num_threads, initargs=(1,))
