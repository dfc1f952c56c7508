"""Evidence of experiment 4.1: how much of the pattern a repair needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.estimates import of_order
from claims.competition.pattern_replacement.measure import ALIGNED, COARSE, OWN, UNINFORMED, courses, crossings
from fixtures.options import Settings
from referee.judging import curves, statistics
from referee.judging.evidence import Chance, Drawing, NotApplicable
from referee.judging.statistics import Estimate
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_WITHOUT_THE_ANSWER = {
    UNINFORMED.name: "uniform attention as donor",
    OWN.name: "the prompt's own pattern, less its format tokens",
}
"""Donors that carry no information about the right answer: a description of each, by the name of its arm."""


class Replacement:
    """Reduces the tables of `replacement` to crossings and widths.

    Args:
        tables: one table for each arm, by its name.
        has_bos: whether the tokenizer puts a BOS before a prompt.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], settings: Settings, *, has_bos: bool) -> None:
        self._tables, self._settings, self._has_bos = tables, settings, has_bos
        self._crossings = {arm: crossings(table) for arm, table in tables.items()}

    def crossing(self, order: str | None = None, arm: str = ALIGNED.name) -> Parts:
        """Returns the median share of the pattern that is replaced when the margin turns.

        A margin that never turns counts as 1.
        """
        return self._median(self._crossings[arm], "crossing_share", order)

    def width(self, order: str | None = None, arm: str = ALIGNED.name) -> Parts:
        """Returns the median width of the rise over the prompts that an arm repairs. Returns 1 if it repairs none."""
        cases = self._crossings[arm]
        return self._median(cases[cases["repaired"]] if cases["repaired"].any() else cases, "width_share", order)

    def require_turns(self, minimum: int) -> None:
        """Raises NotApplicable if fewer than `minimum` pairs are repaired.

        A margin that does not turn has no sharpness.
        """
        cases = self._aligned
        count = cases.loc[cases["repaired"], "pair"].nunique()
        if count < minimum:
            raise NotApplicable(
                f"a turn can only be sharp where there is one: full replacement repairs {count} of"
                f" {cases['pair'].nunique()} pairs ({minimum} needed)"
            )

    def donors_without_the_answer(self) -> tuple[Chance, ...]:
        """Returns the crossings with donors that carry no information about the right answer.

        They move as much attention as the Simple pattern.
        """
        return tuple(
            Chance(f"{world}, which repairs {self._crossings[arm]['repaired'].mean():.0%}", crossing.value)
            for arm, world in _WITHOUT_THE_ANSWER.items()
            for crossing in self.crossing(arm=arm).values()
        )

    def straight_line(self) -> tuple[Chance, ...]:
        """Returns the width of a rise that is not sharp at any place."""
        return (Chance("a margin that rises in a straight line", 0.8),)

    def variants(self, measure: Callable[..., Parts]) -> dict[str, Parts]:
        """Returns `crossing` or `width` with other alignments, donors and starts, by the name of the arm."""
        others = [arm for arm in self._tables if arm not in (ALIGNED.name, *_WITHOUT_THE_ANSWER)]
        return {arm: measure(arm=arm) for arm in others}

    def furthest_from(self, criterion: Criterion) -> str | None:
        """Describes the prompt whose crossing misses the criterion by most. Returns None if all meet the criterion."""
        case = min(self._aligned.itertuples(), key=lambda case: criterion.room(case.crossing_share))
        if criterion.admits(case.crossing_share):
            return None
        turn = f"turns at {case.crossing_share:.2f}" if case.repaired else "is not positive at full replacement"
        return f"Q&A with {case.pair}, {case.order}: the margin {turn}"

    def notes(self) -> tuple[str, ...]:
        """Returns further facts for the reader, one sentence or two per note."""
        cases = self._aligned
        repaired = (
            f"Full replacement repairs {cases['repaired'].sum()} of {len(cases)} prompts; one that is not repaired"
            f" counts as turning at 1. {(~cases['monotone']).sum()} turn wrong again before full replacement."
        )
        no_bos = (
            "This tokenizer puts no BOS: Simple's attention sink is the first number's own first token, and its"
            " mass moves to that number. The donor of equal length begins with filler and does not have this effect."
        )
        return tuple(filter(None, (repaired, self._shapes(), None if self._has_bos else no_bos)))

    def drawing(self, band: Criterion) -> Drawing:
        """Returns the drawing of the curves and of `band`, the claimed interval of the crossing."""
        crossing, repaired = self.crossing()["all"], self._aligned["repaired"].mean()
        return Drawing(
            partial(self._figure, band),
            alt=f"Three curves against the share of the pattern replaced: success reaches {repaired:.0%}, the median"
            f" margin turns at {crossing.value:.2f}, and the norm of the residual stream.",
        )

    @property
    def data(self) -> pd.DataFrame:
        """The tables of all arms."""
        return pd.concat(self._tables.values(), ignore_index=True)

    @property
    def _aligned(self) -> pd.DataFrame:
        return self._crossings[ALIGNED.name]

    def _shapes(self) -> str | None:
        """Returns a note on the shape of the margin's course. Returns None if fewer than two pairs are repaired."""
        repaired = courses(self._coarse(ALIGNED.name))
        if len(repaired) < 2:
            return None
        errors = curves.held_out_errors(COARSE, repaired)
        best = min(errors, key=errors.__getitem__)
        listed = ", ".join(f"{shape} {error:.2g}" for shape, error in errors.items())
        return (
            f"Held-out squared error of the margin's course over {len(repaired)} repaired pairs, as a share of its"
            f" change: {listed}; best is {best}."
        )

    def _figure(self, band: Criterion) -> Figure:
        from claims.competition.pattern_replacement.figure import replacement_curve

        measured = self.crossing()["all"]
        return replacement_curve(
            self._coarse(ALIGNED.name),
            band=(band.low, band.high),
            measured=(measured.value, measured.low, measured.high),
            uninformed=self._coarse(UNINFORMED.name),
            n=measured.n,
        )

    def _coarse(self, arm: str) -> pd.DataFrame:
        """Returns the rows with amounts at which every case was measured."""
        table = self._tables[arm]
        measured = table.groupby("amount")["margin_logits"].transform("size")
        return table[measured == measured.max()]

    def _median(self, cases: pd.DataFrame, column: str, order: str | None) -> Parts:
        """Returns the median over prompts. The bootstrap resamples pairs.

        An infinite value counts as 1, which is the whole pattern. Returns {} if there are no cases.
        """
        chosen = of_order(cases, order)
        if chosen.empty:
            return {}
        found = statistics.median_over_units(
            chosen[column],
            chosen["pair"].tolist(),
            seed=self._settings.seed,
            resamples=self._settings.profile.resamples,
        )
        return {"all": Estimate(min(found.value, 1.0), min(found.low, 1.0), min(found.high, 1.0), found.n)}
