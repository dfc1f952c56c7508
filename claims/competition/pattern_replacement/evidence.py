"""Evidence of experiment 4.1: how much of the pattern a repair needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from claims.competition import figures
from claims.competition.base import Evidence, of_order
from claims.competition.pattern_replacement import measure as thresholds
from fixtures.ledger import NotApplicable
from fixtures.options import Settings
from referee.judging import curves, statistics
from referee.judging.findings import Chance
from referee.judging.statistics import Estimate
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ReplacementEvidence(Evidence):
    """Reduces the tables of experiment 4.1 to crossings and widths. There is one table per arm."""

    def __init__(self, tables: dict[str, pd.DataFrame], settings: Settings, *, has_bos: bool) -> None:
        super().__init__(settings)
        self.tables = tables
        self._has_bos = has_bos
        self.crossings = {arm: thresholds.crossings(table) for arm, table in tables.items()}

    @property
    def main(self) -> pd.DataFrame:
        return self.crossings[thresholds.ALIGNED.name]

    def crossing(self, order: str | None = None, arm: str = thresholds.ALIGNED.name) -> dict[str, Estimate]:
        """Returns the median share of the pattern replaced when the margin turns.

        A margin that never turns counts as 1.
        """
        return self._median(self.crossings[arm], "crossing_share", order)

    def require_turns(self, minimum: int) -> None:
        """Raises NotApplicable if fewer than `minimum` pairs are repaired.

        A margin that does not turn has no sharpness.
        """
        count = self.main.loc[self.main["repaired"], "pair"].nunique()
        if count < minimum:
            raise NotApplicable(
                f"a turn can only be sharp where there is one: full replacement repairs {count} of"
                f" {self.main['pair'].nunique()} pairs ({minimum} needed)"
            )

    def width(self, order: str | None = None, arm: str = thresholds.ALIGNED.name) -> dict[str, Estimate]:
        """Returns the median width of the rise over the prompts that an arm repairs. Returns 1 if it repairs none."""
        cases = self.crossings[arm]
        return self._median(cases[cases["repaired"]] if cases["repaired"].any() else cases, "width_share", order)

    def turning(self, criterion: Criterion) -> dict[str, Any]:
        """Returns the evidence on the claim about the place of the turn."""
        return {
            "parts": self.crossing,
            "chance": self._other_donors(),
            "counterexample": self.counterexample(criterion),
            **self._described(self.crossing, criterion),
        }

    def sharpness(self, band: Criterion) -> dict[str, Any]:
        """Returns the evidence on the claim about the sharpness of the turn.

        `band` is the claimed place, for the figure.
        """
        return {"parts": self.width, "chance": (self.straight_line,), **self._described(self.width, band)}

    def _described(self, measure: Callable[..., dict[str, Estimate]], band: Criterion) -> dict[str, Any]:
        donors = {arm.name for arm in (thresholds.ALIGNED, thresholds.UNINFORMED, thresholds.OWN)}
        others = [arm for arm in self.tables if arm not in donors]
        return {
            "variants": {arm: measure(arm=arm) for arm in others},
            "notes": self.notes(),
            "figure": self.figure(band),
            "alt": self.alt,
            "data": pd.concat(self.tables.values(), ignore_index=True),
        }

    def _other_donors(self) -> tuple[Chance, ...]:
        """Returns the chance worlds: donors that carry no information about the right answer move as much attention."""
        worlds = {thresholds.UNINFORMED.name: "uniform attention as donor",
                thresholds.OWN.name: "the prompt's own pattern, less its format tokens"}  # fmt: skip
        return tuple(
            Chance(f"{world}, which repairs {self.crossings[arm]['repaired'].mean():.0%}", e["all"].value)
            for arm, world in worlds.items()
            for e in [self.crossing(arm=arm)]
            if e
        )

    straight_line = Chance("a margin that rises in a straight line", 0.8)

    def notes(self) -> tuple[str, ...]:
        """Returns further facts for the reader, one sentence or two per note."""
        main = self.main
        coarse = self._coarse(thresholds.ALIGNED.name)
        texts = [
            f"Full replacement repairs {main['repaired'].sum()} of {len(main)} prompts; one that is not repaired counts"
            f" as turning at 1. {(~main['monotone']).sum()} turn back on the way.",
        ]
        courses = thresholds.courses(coarse)
        if len(courses) > 1:
            errors = curves.held_out_errors(thresholds.COARSE, courses)
            best = min(errors, key=errors.__getitem__)
            listed = ", ".join(f"{shape} {error:.2g}" for shape, error in errors.items())
            texts.append(
                f"Held-out squared error of the margin's course over {len(courses)} repaired pairs, as a share of its"
                f" way: {listed}; best is {best}."
            )
        if not self._has_bos:
            texts.append(
                "This tokenizer puts no BOS: Simple's attention sink is the first number's own first token, and its"
                " mass moves to that number. The donor of equal length begins with filler and is free of this."
            )
        return tuple(texts)

    def counterexample(self, criterion: Criterion) -> str | None:
        """Describes the prompt whose crossing misses the criterion by most. Returns None if all meet the criterion."""
        case = min(self.main.itertuples(), key=lambda case: criterion.room(case.crossing_share))
        if criterion.admits(case.crossing_share):
            return None
        turn = f"turns at {case.crossing_share:.2f}" if case.repaired else "is not positive at full replacement"
        return f"Q&A with {case.pair}, {case.order}: the margin {turn}"

    def figure(self, criterion: Criterion) -> Figure:
        measured = self.crossing()["all"]
        return figures.replacement_curve(
            self._coarse(thresholds.ALIGNED.name),
            band=(criterion.low, criterion.high),
            measured=(measured.value, measured.low, measured.high),
            uninformed=self._coarse(thresholds.UNINFORMED.name),
            n=measured.n,
        )

    @property
    def alt(self) -> str:
        """A description of the figure in words."""
        crossing, repaired = self.crossing()["all"], self.main["repaired"].mean()
        return (
            f"Three curves against the share of the pattern replaced: success reaches {repaired:.0%}, the median margin"
            f" turns at {crossing.value:.2f}, and the norm of the residual stream."
        )

    def _coarse(self, arm: str) -> pd.DataFrame:
        """Returns the rows with amounts at which every case was measured."""
        table = self.tables[arm]
        measured = table.groupby("amount")["margin_logits"].transform("size")
        return table[measured == measured.max()]

    def _median(self, cases: pd.DataFrame, column: str, order: str | None) -> dict[str, Estimate]:
        """Returns the median over prompts. The bootstrap resamples pairs.

        An infinite value counts as 1, which is the whole pattern. Returns {} if there are no cases.
        """
        chosen = of_order(cases, order)
        if chosen.empty:
            return {}
        found = statistics.median_over_pairs(
            chosen[column],
            chosen["pair"].tolist(),
            seed=self.settings.seed,
            resamples=self.settings.profile.resamples,
        )
        return {"all": Estimate(min(found.value, 1.0), min(found.low, 1.0), min(found.high, 1.0), found.n)}
