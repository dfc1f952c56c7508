"""What a session on this machine and a session of a hosted model have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from referee.measuring.precision import Precision
from referee.measuring.scores import Margin, Score
from referee.prompts.tokens import Tokens, tokenize

if TYPE_CHECKING:
    import pandas as pd

    from referee.measuring.requests import Observer, Trial
    from referee.models.subjects import Subject
    from referee.prompts.prompt import Prompt


class BaseSession(ABC):
    """The subject of a session, the tokens of its prompts, and the observers of its margins.

    Attributes:
        subject: the model, and the layer of interest.
        observers: functions that receive the margins of every sweep.
        precision: what was found when margins close to zero were measured again.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.observers: list[Observer] = []
        self.precision = Precision()
        self._tokens: dict[Prompt, Tokens] = {}

    @property
    def layer(self) -> int:
        """The layer of interest."""
        return self.subject.layer

    def tokenize(self, prompt: Prompt) -> Tokens:
        """Returns the tokens of a prompt; see `referee.prompts.tokens.tokenize`."""
        if prompt not in self._tokens:
            self._tokens[prompt] = tokenize(prompt, self.subject.tokenizer)
        return self._tokens[prompt]

    def margins(self, trials: Sequence[Trial], *, progress: str | None = None) -> pd.DataFrame:
        """Returns a table with the column `margin_logits` and one row for each trial; see `scores`."""
        return self.scores(trials, Margin(), progress=progress)

    @abstractmethod
    def scores(self, trials: Sequence[Trial], *scores: Score, progress: str | None = None) -> pd.DataFrame:
        """Returns a table with one row for each trial, in order, and one column for each score."""

    def _observe(self, trials: Sequence[Trial], table: pd.DataFrame) -> pd.DataFrame:
        """Gives the margins of a table of scores to the observers. Returns the table."""
        if Margin.column in table:
            for observer in self.observers:
                observer(trials, table[Margin.column].tolist())
        return table

    def _chosen(self, layers: Iterable[int]) -> tuple[int, ...]:
        """Returns the layers to read. Raises LayerOutOfRange, or ValueError if there are none."""
        chosen = tuple(self.subject.at(layer).layer for layer in layers)
        if not chosen:
            raise ValueError("At least one layer must be read; got none. Give the index of a layer.")
        return chosen

    def _edited_layers(self, trials: Sequence[Trial]) -> list[int]:
        """Returns all layers that trials edit. Raises LayerOutOfRange for a layer that the model does not have."""
        return [self.subject.at(layer).layer for layer in {layer for trial in trials for layer in trial.layers}]

    def _chosen_above_edits(self, layers: Iterable[int], trials: Sequence[Trial]) -> tuple[int, ...]:
        """Returns the layers to read. Raises ValueError for a layer that is not above all edited layers."""
        chosen = self._chosen(layers)
        highest = max(self._edited_layers(trials), default=-1)
        if min(chosen) <= highest:
            raise ValueError(
                f"The layers to read must be above all edited layers; got layer {min(chosen)} to read and layer"
                f" {highest} to edit. Read higher layers only."
            )
        return chosen


def require_scores(scores: Sequence[Score]) -> None:
    """Raises ValueError if there is no score."""
    if not scores:
        raise ValueError("At least one score must be given, for example Margin()")
