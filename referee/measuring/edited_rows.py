"""Finds which rows of a pattern an edit changes, and runs each trial only from the first row that it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from referee.attention.edits import Edit, InHeads
from referee.attention.kv_cache import Keys
from referee.attention.tracing import Attention, Later, Readout
from referee.measuring.prefix_cache import PrefixCache
from referee.measuring.requests import Trial
from referee.prompts.tokens import Tokens

_ROWS_WORTH, _TRIALS_WORTH = 2, 3
"""The smallest number of first rows, and of trials of one prompt, for which keys are computed before the trials.

With fewer rows or fewer trials, the extra pass costs more than it saves."""
_REMEMBERED = 64 << 20
"""At most this many bytes of edited rows are kept from `prepare` to `run`. The others are computed twice."""


class EditedRows:
    """Runs batches of trials whose lowest edited layer is the same. It computes what the trials share only once.

    Trials of a prompt share all layers below the edited layer. In the edited layer and above, they share three kinds
    of rows: the rows before the first row that an edit changes, the rows of a prefix that prompts share, and the rows
    that earlier calls have computed. A trial with edits in several layers shares only the layers below. So does every
    trial if all rows are read.
    """

    def __init__(self, attention: Attention, prefixes: Callable[[int], PrefixCache]) -> None:
        """`prefixes` returns the prefix cache of a layer. `attention` has the lowest edited layer as its own.

        If `attention` reads every row, each trial computes all of its rows.
        """
        self._attention, self._prefixes_of = attention, prefixes
        self._prefixes = prefixes(attention.subject.layer)
        self._latest: tuple[Any, Any] = (None, None)
        self._starts: dict[Trial, int] = {}
        self._rows: dict[tuple[Tokens, Edit], Tensor] = {}
        self._donors: dict[tuple[int, Tokens], Tensor] = {}
        self._room = 0

    def prepare(self, trials: Sequence[Trial], progress: str | None) -> None:
        """Plans the trials of a sweep and computes what they share. `progress` is the label of the progress bar."""
        prefixes = self._prefixes
        self._donors = self._donors_above(trials, progress)
        donors = [edit.donor for trial in trials for _, edit in trial.edits[:1] if edit.donor]
        prefixes.prepare([*(trial.tokens for trial in trials), *donors], progress)
        self._rows, self._room = {}, _REMEMBERED
        if self._attention.every_row:
            self._starts = dict.fromkeys(trials, 0)
            return
        first = {trial: self._first_changed(trial) for trial in trials if trial.edits}
        late = [(trial.tokens, row) for trial, row in first.items() if _ROWS_WORTH <= row < len(trial.tokens)]
        times = Counter(tokens for tokens, _ in late)
        wanted: dict[Tokens, int] = {}
        for tokens, row in late:
            if prefixes.keeps and times[tokens] >= _TRIALS_WORTH:
                wanted[tokens] = max(row, wanted.get(tokens, 0))
        unedited = [trial for trial in trials if not trial.edits]
        for source, shared in (prefixes.prefix(trial.tokens) for trial in unedited):
            wanted[source] = max(shared, wanted.get(source, 0))
        prefixes.prepare_keys(wanted, progress)
        self._starts = {trial: min(row, prefixes.rows_known(trial.tokens)) for trial, row in first.items()}
        self._starts |= {trial: prefixes.rows_known(trial.tokens) for trial in unedited}

    def _donors_above(self, trials: Sequence[Trial], progress: str | None) -> dict[tuple[int, Tokens], Tensor]:
        """Returns the unedited patterns of donors in layers above the lowest edited one, by layer and prompt."""
        donors: dict[int, dict[Tokens, None]] = {}
        for trial in trials:
            for layer, edit in trial.edits[1:]:
                if edit.donor:
                    donors.setdefault(layer, {})[edit.donor] = None
        found: dict[tuple[int, Tokens], Tensor] = {}
        for layer, prompts in donors.items():
            self._prefixes_of(layer).prepare(list(prompts), progress)
            found |= {(layer, tokens): self._prefixes_of(layer).pattern(tokens) for tokens in prompts}
        return found

    def count(self, trial: Trial) -> int:
        """Returns the number of rows of a trial that a batch computes. `prepare` must know the trial."""
        return len(trial.tokens) - self._starts[trial]

    def run(self, trials: Sequence[Trial]) -> Readout:
        """Runs one batch. All prompts have the same length, and all trials edit the same layers."""
        ids, pattern, hidden, before, later = self._inputs(trials)
        return self._attention.run(ids, pattern, hidden, before, later)

    def read(self, trials: Sequence[Trial], layers: Sequence[int]) -> Tensor:
        """Returns patterns of edited prompts, [trial, layer, head, query, key], in layers above all edited ones.

        The trials are a batch as in `run`, and `attention` reads every row.
        """
        ids, pattern, hidden, _, later = self._inputs(trials)
        return self._attention.read(ids, layers, pattern, hidden, later)

    def _inputs(self, trials: Sequence[Trial]) -> tuple[Tensor, Tensor | None, Tensor, Keys, Later]:
        """Returns the arguments of `Attention.run` for one batch."""
        tokens = [trial.tokens for trial in trials]
        start = min(self._starts[trial] for trial in trials)
        hidden = torch.stack([self._prefixes.hidden(t) for t in tokens])
        patterns = [self._rows_edited(trial.tokens, trial.edits[0][1], start) for trial in trials if trial.edits]
        ids = torch.tensor([t.ids for t in tokens])
        before = self._prefixes.keys(tokens, start)
        later = {layer: partial(self._edited_later, trials, layer) for layer in trials[0].layers[1:]}
        return ids, torch.stack(patterns) if patterns else None, hidden, before, later

    def _edited_later(self, trials: Sequence[Trial], layer: int, pattern: Tensor) -> Tensor:
        """Returns the edited patterns of a layer above the lowest edited one, [trial, head, query, key]."""
        edited = []
        for trial, own in zip(trials, pattern.float().cpu().clone(), strict=True):
            edit = dict(trial.edits)[layer]
            donor = self._donors[layer, edit.donor].clone() if edit.donor else None
            edited.append(edit(trial.tokens, own, donor))
        return torch.stack(edited)

    def edited(self, tokens: Tokens, edit: Edit) -> Tensor:
        """Returns a prompt's pattern at the lowest edited layer after an edit, [head, query, key]."""
        if isinstance(edit, InHeads):
            # The edit is computed once for all heads. Every subset of heads takes its part of the result.
            return edit.only(self._prefixes.pattern(tokens), self._in_all_heads(tokens, edit.edit))
        return self._in_all_heads(tokens, edit)

    def _in_all_heads(self, tokens: Tokens, edit: Edit) -> Tensor:
        """Returns the pattern after an edit, [head, query, key]. The latest result is kept for the next call."""
        if (tokens, edit) != self._latest[0]:
            # The edit gets copies, because it may change its arguments.
            donor = self._prefixes.pattern(edit.donor).clone() if edit.donor else None
            self._latest = ((tokens, edit), edit(tokens, self._prefixes.pattern(tokens).clone(), donor))
        return self._latest[1]

    def _rows_edited(self, tokens: Tokens, edit: Edit, start: int) -> Tensor:
        """Returns the rows of an edited pattern from `start` on, [head, row, key].

        `start` is not after the first row that the edit changes.
        """
        rows = self._rows.get((tokens, edit))
        if rows is None:
            return self.edited(tokens, edit)[:, start:]
        first = len(tokens) - rows.shape[1]
        return torch.cat((self._prefixes.pattern(tokens)[:, start:first], rows), dim=1)

    def _first_changed(self, trial: Trial) -> int:
        """Returns the first row that an edit changes, or the number of rows when it changes none.

        It also keeps the edited rows for `run`, while they fit into `_REMEMBERED` bytes. With edits in several layers
        the result is 0: the first row that a higher edit changes is not known yet.
        """
        if len(trial.edits) > 1:
            return 0
        tokens, edit = trial.tokens, trial.edits[0][1]
        edited = self.edited(tokens, edit)
        changed = (edited.numpy() != self._prefixes.pattern(tokens).numpy()).any(axis=(0, 2)).nonzero()[0]
        first = int(changed[0]) if changed.size else len(tokens)
        rows = edited[:, first:]
        if rows.nbytes <= self._room:
            self._rows[tokens, edit], self._room = rows.clone(), self._room - rows.nbytes
        return first
