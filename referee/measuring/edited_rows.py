"""Finds which rows of a pattern an edit changes, and runs each trial only from the first row that it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from referee.attention.edits import Edit, edited
from referee.attention.grouping import alike
from referee.attention.kv_cache import Keys, gathered
from referee.attention.readout import Readout
from referee.attention.tracing import Attention, Later
from referee.attention.unedited import Unedited
from referee.measuring.prefix_cache import PrefixCache, padded_ids
from referee.measuring.requests import Trial
from referee.prompts.tokens import Tokens

_ROWS_WORTH, _TRIALS_WORTH = 2, 3
"""The smallest number of first rows, and of trials of one prompt, for which keys are computed before the trials.

With fewer rows or fewer trials, the extra pass costs more than it saves."""
_AT_ONCE = 64 << 20
"""While `prepare` looks for the rows that edits change, it edits patterns of at most this many bytes at once."""


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
        self._starts: dict[Trial, int] = {}
        self._donors: dict[tuple[int, Tokens], Tensor] = {}

    def prepare(self, trials: Sequence[Trial], progress: str | None) -> None:
        """Plans the trials of a sweep and computes what they share. `progress` is the label of the progress bar."""
        prefixes = self._prefixes
        self._donors = self._donors_above(trials, progress)
        donors = [edit.donor for trial in trials for _, edit in trial.edits[:1] if edit.donor]
        prefixes.prepare([*(trial.tokens for trial in trials), *donors], progress)
        if self._attention.every_row:
            self._starts = dict.fromkeys(trials, 0)
            return
        first = self._first_changed([trial for trial in trials if trial.edits])
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
        """Runs one batch. All trials edit the same layers.

        All prompts must have the same length if several layers are edited or every row is read.
        """
        ids, pattern, hidden, before, later = self._inputs(trials)
        return self._attention.run(ids, pattern, hidden, before, later, [len(trial.tokens) for trial in trials])

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
        pattern = self._edited_padded(trials)[:, :, start:] if trials[0].edits else None
        later = {layer: partial(self._edited_later, trials, layer) for layer in trials[0].layers[1:]}
        return padded_ids(tokens), pattern, self._prefixes.hiddens(tokens), self._prefixes.keys(tokens, start), later

    def _edited_padded(self, trials: Sequence[Trial]) -> Tensor:
        """Like `_edited`, for prompts of any length, [trial, head, query, key].

        The patterns of shorter prompts have zeros at the end.
        """
        groups = alike(trials, lambda trial: len(trial.tokens))
        longest = max(len(trial.tokens) for trial in trials)
        parts = [_padded(self._edited([trials[i] for i in group]), longest) for group in groups]
        places = torch.tensor([i for group in groups for i in group])
        return torch.cat(parts)[places.argsort().to(parts[0].device)] if len(parts) > 1 else parts[0]

    def _edited(self, trials: Sequence[Trial]) -> Tensor:
        """Returns the patterns at the lowest edited layer after the edits, [trial, head, query, key].

        All prompts have the same length.
        """
        edits = [trial.edits[0][1] for trial in trials]
        own = self._prefixes.patterns([trial.tokens for trial in trials])
        return edited_batch(trials, edits, own, self._prefixes.pattern, shared=True)

    def _edited_later(self, trials: Sequence[Trial], layer: int, own: Tensor) -> Tensor:
        """Returns the edited patterns of a layer above the lowest edited one, [trial, head, query, key]."""
        edits = [dict(trial.edits)[layer] for trial in trials]
        return edited_batch(trials, edits, own, lambda donor: self._donors[layer, donor])

    def _first_changed(self, trials: Sequence[Trial]) -> dict[Trial, int]:
        """Returns the first row that the edit of each trial changes, or the number of rows when it changes none.

        With edits in several layers the result is 0: the first row that a higher edit changes is not known yet.
        """
        found = {trial: 0 for trial in trials if len(trial.edits) > 1}
        alone = [trial for trial in trials if trial not in found]
        for group in alike(alone, lambda trial: len(trial.tokens)):
            length = len(alone[group[0]].tokens)
            size = self._attention.subject.n_heads * length**2 * torch.float32.itemsize
            some = max(1, _AT_ONCE // size)
            for start in range(0, len(group), some):
                batch = [alone[i] for i in group[start : start + some]]
                own = self._prefixes.patterns([trial.tokens for trial in batch])
                changed = (self._edited(batch) != own).any(dim=3).any(dim=1)
                first = torch.where(changed.any(1), changed.int().argmax(1), length)
                found |= dict(zip(batch, first.tolist(), strict=True))
        return found


def edited_batch(
    trials: Sequence[Trial],
    edits: Sequence[Edit],
    own: Tensor,
    pattern_of: Callable[[Tokens], Tensor],
    *,
    shared: bool = False,
) -> Tensor:
    """Returns the patterns after one edit for each trial; `shared` is that of `Unedited`.

    `pattern_of` returns the pattern of a donor.
    """
    donors = [edit.donor for edit in edits]
    given = [donor for donor in donors if donor]
    donated = None
    if given:
        longest = max(map(len, given))
        # A trial without a donor gets any pattern, because its edit does not read it.
        donated = gathered([donor or given[0] for donor in donors], lambda donor: _padded(pattern_of(donor), longest))
    return edited(edits, Unedited([trial.tokens for trial in trials], own, donors, donated, shared))


def _padded(pattern: Tensor, length: int) -> Tensor:
    """Returns patterns with zeros at the end, [..., head, length, length]."""
    missing = length - pattern.shape[-1]
    return functional.pad(pattern, (0, missing, 0, missing)) if missing else pattern
