"""Evidence of headline 5: the results of several experiments, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from referee.judging.evidence import Chance, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Competition:
    """Combines the experiments on the competition of format tokens and on its effect on the answer."""

    def __init__(self, experiments: Mapping[str, Callable[[str | None], Parts]], against: Sequence[Chance]) -> None:
        """Keeps the results of the experiments.

        Args:
            experiments: functions by name. Each takes an order of the numbers, or None for both, and returns the share
                of prompts that behave as the theory says.
            against: the chance worlds of these experiments.
        """
        self._experiments, self._against = experiments, against

    def shares(self, order: str | None = None) -> Parts:
        """Returns the share of prompts that behave as the theory says, by experiment.

        An experiment in several parts counts with its lowest share. Returns {} if an experiment has no such prompts.
        """
        found = {name: share(order) for name, share in self._experiments.items()}
        if not all(found.values()):
            return {}
        return {name: min(estimates.values(), key=lambda e: e.value) for name, estimates in found.items()}

    def vetoes(self) -> tuple[Chance, ...]:
        """Returns the chance worlds with a veto, without their values.

        The values are in the units of their own experiments.
        """
        return tuple(replace(world, value=None) for world in self._against if world.veto)

    def drawing(self, most: float) -> Drawing:
        """Returns the figure: the share of each experiment. `most` is the position of the threshold line."""
        described = ", ".join(f"{name} {e.value:.0%}" for name, e in self.shares().items())
        return Drawing(partial(self._draw, most), f"Shares of prompts: {described}")

    def _draw(self, most: float) -> Figure:
        from claims.competition import shared_figures

        shown = self.shares()
        return shared_figures.shares(
            list(shown.items()),
            threshold=most,
            threshold_label="most prompts",
            n=min(e.n for e in shown.values()),
            title="Does competition with format tokens decide the answer?",
        )
