"""Two ways to run trials: through nnsight, the reference, and a plain PyTorch tail for Llama-shaped models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

from bandwidth.attention import Attention, Readout
from bandwidth.batches import Batches
from bandwidth.edits import Edit, InHeads
from bandwidth.entered import Entered
from bandwidth.subjects import Subject
from bandwidth.tail import Tail
from bandwidth.tokens import Tokens

NAMES = ("nnsight", "torch")
_chosen = "nnsight"


class Backend(Protocol):
    """Runs batches of trials of one length."""

    @property
    def name(self) -> str: ...

    def prepare(self, trials: Sequence[Any]) -> None:
        """Told all trials of a sweep before the first batch: what prompts share is computed once."""
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
    """Layers below the layer of interest once a prompt, the others for every trial, all in nnsight's traces."""

    name = "nnsight"

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.entered = Entered.of(subject)
        self._lately: tuple[Any, Any] = (None, None)

    def prepare(self, trials: Sequence[Any]) -> None:
        donors = [trial.edit.donor for trial in trials if trial.edit and trial.edit.donor]
        self.entered.prepare([*(trial.tokens for trial in trials), *donors])

    def rows(self, trial: Any) -> int:
        return len(trial.tokens)

    def run(self, tokens: Sequence[Tokens], edits: Sequence[Edit | None]) -> Readout:
        hidden = torch.stack([self.entered.hidden(t) for t in tokens])
        patterns = [self.edited(t, edit) for t, edit in zip(tokens, edits, strict=True) if edit]
        ids = torch.tensor([t.ids for t in tokens])
        return Attention(self.subject).run(ids, torch.stack(patterns) if patterns else None, hidden)

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


class TorchBackend(NnsightBackend):
    """The layers from the layer of interest on in plain PyTorch; what lies below is entered through nnsight."""

    name = "torch"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._firsts: dict[tuple[Tokens, Edit], int] = {}

    def prepare(self, trials: Sequence[Any]) -> None:
        super().prepare(trials)
        unchanged: dict[Tokens, int] = {}
        for trial in trials:
            rows = len(trial.tokens) - self.rows(trial)
            unchanged[trial.tokens] = max(rows, unchanged.get(trial.tokens, 0))
        layer, tail = self.subject.layer, Tail.of(self.subject)
        new = [t for t, rows in unchanged.items() if not self.entered.has_keys(t, rows)]
        for some in Batches(new, self.subject, rows=unchanged.__getitem__):
            rows = unchanged[some[0]]
            hidden = torch.stack([self.entered.hidden(t)[:rows] for t in some])
            patterns = torch.stack([self.entered.pattern(t)[:, :rows, :rows] for t in some])
            self.entered.keep_keys(some, tail.unedited(layer, hidden, patterns.to(hidden)))

    def rows(self, trial: Any) -> int:
        return len(trial.tokens) - self._first(trial.tokens, trial.edit)

    def _first(self, tokens: Tokens, edit: Edit | None) -> int:
        """The first row in which an edited pattern is another; for an edit in some heads, in any head."""
        last = len(tokens) - 1
        if edit is None:
            return last
        everywhere = edit.edit if isinstance(edit, InHeads) else edit
        if (tokens, everywhere) not in self._firsts:
            changed = (self._everywhere(tokens, everywhere) != self.entered.pattern(tokens)).any(-1).any(0)
            self._firsts[tokens, everywhere] = min([last, *changed.nonzero().flatten().tolist()])
        return self._firsts[tokens, everywhere]

    def run(self, tokens: Sequence[Tokens], edits: Sequence[Edit | None]) -> Readout:
        own = torch.stack([self.entered.pattern(t) for t in tokens])
        patterns = own.clone()
        for i, (t, edit) in enumerate(zip(tokens, edits, strict=True)):
            if edit:
                patterns[i] = self.edited(t, edit)
        start = min(map(self._first, tokens, edits))
        patterns = patterns.to(self.subject.device, self.subject.model.dtype)
        tail = Tail.of(self.subject)

        def part(rows: slice) -> Readout:
            place = {prompt: i for i, prompt in enumerate(dict.fromkeys(tokens[rows]))}
            which = torch.tensor([place[t] for t in tokens[rows]], device=self.subject.device)
            hidden = torch.stack([self.entered.hidden(t) for t in place])
            before = self.entered.keys(list(place), start)
            return tail.run(self.subject.layer, hidden, which, patterns[rows], start, before)

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
