"""Two ways to run trials: through nnsight, the reference, and a plain PyTorch tail for Llama-shaped models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from bandwidth import batches
from bandwidth.attention import Attention, Readout
from bandwidth.edits import Edit, InHeads
from bandwidth.subjects import Subject
from bandwidth.tail import Keys, Tail
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


class _Entered:
    """The residual stream before the layer of interest, and the pattern there, of prompts seen lately."""

    LIMIT = 1024

    def __init__(self) -> None:
        self._held: dict[tuple[int, Tokens], tuple[Tensor, Tensor]] = {}
        self._keys: dict[tuple[int, Tokens], list[Keys]] = {}

    def prepare(self, subject: Subject, prompts: Sequence[Tokens]) -> None:
        """Computes what is not known yet, in batches."""
        new = [t for t in dict.fromkeys(prompts) if (subject.layer, t) not in self._held]
        if len(self._held) + len(new) > self.LIMIT:
            self._held.clear()
            self._keys.clear()
            new = list(dict.fromkeys(prompts))
        port = Attention(subject)
        for some in batches.of_equal_length(new, subject.device.type):
            hidden, pattern = port.enter(torch.tensor([tokens.ids for tokens in some]))
            for tokens, h, p in zip(some, hidden, pattern.float(), strict=True):
                self._held[subject.layer, tokens] = (h, p)

    def has_keys(self, subject: Subject, tokens: Tokens) -> bool:
        return (subject.layer, tokens) in self._keys

    def keep_keys(self, subject: Subject, prompts: Sequence[Tokens], keys: list[Keys]) -> None:
        """Keeps `Tail.unedited` of some prompts, each prompt's by itself."""
        for i, tokens in enumerate(prompts):
            self._keys[subject.layer, tokens] = [(k[i], v[i]) for k, v in keys]

    def keys(self, subject: Subject, prompts: Sequence[Tokens]) -> list[Keys]:
        """What was kept of some prompts, together again."""
        each = [self._keys[subject.layer, tokens] for tokens in prompts]
        return [
            (torch.stack([k for k, _ in layer]), torch.stack([v for _, v in layer]))
            for layer in zip(*each, strict=True)
        ]

    def hidden(self, subject: Subject, tokens: Tokens) -> Tensor:
        return self._held[subject.layer, tokens][0]

    def pattern(self, subject: Subject, tokens: Tokens) -> Tensor:
        return self._held[subject.layer, tokens][1]


_entered: WeakKeyDictionary[Any, _Entered] = WeakKeyDictionary()


class NnsightBackend:
    """Layers below the layer of interest once a prompt, the others for every trial, all in nnsight's traces."""

    name = "nnsight"

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.entered = _entered.setdefault(subject.model, _Entered())
        self._lately: tuple[Any, Any] = (None, None)

    def prepare(self, trials: Sequence[Any]) -> None:
        donors = [trial.edit.donor for trial in trials if trial.edit and trial.edit.donor]
        self.entered.prepare(self.subject, [*(trial.tokens for trial in trials), *donors])

    def run(self, tokens: Sequence[Tokens], edits: Sequence[Edit | None]) -> Readout:
        hidden = torch.stack([self.entered.hidden(self.subject, t) for t in tokens])
        patterns = [self.edited(t, edit) for t, edit in zip(tokens, edits, strict=True) if edit]
        ids = torch.tensor([t.ids for t in tokens])
        return Attention(self.subject).run(ids, torch.stack(patterns) if patterns else None, hidden)

    def edited(self, tokens: Tokens, edit: Edit) -> Tensor:
        """A prompt's pattern under an edit, [head, query, key]."""
        own = self.entered.pattern(self.subject, tokens)
        if isinstance(edit, InHeads):
            # Subsets of heads share what the edit would do in all of them.
            return edit.only(own, self._everywhere(tokens, edit.edit))
        return self._everywhere(tokens, edit)

    def _everywhere(self, tokens: Tokens, edit: Edit) -> Tensor:
        if (tokens, edit) != self._lately[0]:
            donor = self.entered.pattern(self.subject, edit.donor) if edit.donor else None
            self._lately = ((tokens, edit), edit(tokens, self.entered.pattern(self.subject, tokens), donor))
        return self._lately[1]


class TorchBackend(NnsightBackend):
    """The layers from the layer of interest on in plain PyTorch; what lies below is entered through nnsight."""

    name = "torch"

    def prepare(self, trials: Sequence[Any]) -> None:
        super().prepare(trials)
        new = [t for t in dict.fromkeys(trial.tokens for trial in trials) if not self.entered.has_keys(self.subject, t)]
        for some in batches.of_equal_length(new, self.subject.device.type):
            hidden = torch.stack([self.entered.hidden(self.subject, t) for t in some])
            patterns = torch.stack([self.entered.pattern(self.subject, t) for t in some]).to(hidden)
            keys = Tail.of(self.subject).unedited(self.subject.layer, hidden, patterns)
            self.entered.keep_keys(self.subject, some, keys)

    def run(self, tokens: Sequence[Tokens], edits: Sequence[Edit | None]) -> Readout:
        own = torch.stack([self.entered.pattern(self.subject, t) for t in tokens])
        patterns = own.clone()
        for i, (t, edit) in enumerate(zip(tokens, edits, strict=True)):
            if edit:
                patterns[i] = self.edited(t, edit)
        changed = (patterns != own).any(-1).any(1).any(0)
        start = int(changed.nonzero()[0]) if changed.any() else own.shape[2] - 1
        hidden = torch.stack([self.entered.hidden(self.subject, t) for t in tokens])
        before = self.entered.keys(self.subject, tokens)
        return Tail.of(self.subject).run(self.subject.layer, hidden, patterns.to(hidden), start, before)
