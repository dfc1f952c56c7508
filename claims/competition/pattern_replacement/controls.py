"""Evidence of the controls of experiment 4.1: a faulty donor, and other layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.edited import GREEDY, Edited
from claims.competition.pattern_replacement.measure import REPLACED
from referee.judging.evidence import Drawing, NotApplicable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


@dataclass(frozen=True)
class Control:
    """Reduces replacements of the whole pattern that should turn few answers.

    Attributes:
        edited: the replacements of the bug set by their names. Each one is a part of the claim.
        title: title of the figure.
    """

    edited: Mapping[str, Edited]
    title: str

    def turned(self, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of the bug set that turns right, by replacement."""
        found = {name: edited.share_turned(REPLACED, order=order, score=score) for name, edited in self.edited.items()}
        return {name: estimate["all"] for name, estimate in found.items() if estimate}

    def variants(self) -> dict[str, Parts]:
        """Returns the share by the most likely next token instead of the margin."""
        return {GREEDY: self.turned(score="top_answer")}

    def drawing(self, most: float) -> Drawing:
        """Returns the drawing of the shares and of the threshold `most`."""
        shares = ", ".join(f"{name} {e.value:.0%}" for name, e in self.turned().items())
        return Drawing(partial(self._figure, most), alt=f"{self.title}: {shares}")

    def _figure(self, most: float) -> Figure:
        from claims.competition.shared_figures import shares

        first = next(iter(self.edited.values()))
        return shares(
            list(self.turned().items()), threshold=most, threshold_label="most answers", n=first.n, title=self.title
        )

    @property
    def data(self) -> pd.DataFrame:
        """The tables of all replacements. The column `place` has the name of the replacement."""
        return pd.concat([edited.table.assign(place=name) for name, edited in self.edited.items()], ignore_index=True)


class Layers:
    """The controls of experiment 4.1 on the bug set.

    Args:
        faulty: the replacement by the pattern of a faulty prompt, at the layer of interest.
        elsewhere: the replacement by the aligned Simple pattern at each other layer.
    """

    def __init__(self, faulty: Edited, elsewhere: Mapping[int, Edited]) -> None:
        self._faulty, self._elsewhere = faulty, elsewhere

    @property
    def faulty_donor(self) -> Control:
        """The control with the pattern of the faulty format."""
        return Control({"faulty donor": self._faulty}, "A control: another pair's Q&A prompt as donor")

    @property
    def other_layers(self) -> Control:
        """The control with the right pattern at other layers. Raises NotApplicable if there is no other layer."""
        if not self._elsewhere:
            raise NotApplicable("the model has no layer three below or three above the layer of interest")
        named = {f"layer {layer}": edited for layer, edited in self._elsewhere.items()}
        return Control(named, "A control: the pattern replaced at other layers")
