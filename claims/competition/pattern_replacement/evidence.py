"""Evidence of experiment 4.1: how much of the pattern a repair needs, and how much less another donor does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf, isfinite
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.estimates import OverPairs
from claims.competition.named import tokens_of
from claims.competition.pattern_replacement.measure import ALIGNED, COARSE, OWN, UNINFORMED, courses, crossings
from claims.competition.prompts import ORDERS, QA
from fixtures.options import Settings
from referee.judging import curves
from referee.judging.evidence import Chance, Counterexample, Drawing, NotApplicable
from referee.judging.statistics import Estimate
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

LATER = 0.05
"""A donor turns an answer later than the Simple pattern if it needs more than this share of replacement more."""
_WITHOUT_THE_ANSWER = {
    UNINFORMED.name: "uniform attention as donor",
    OWN.name: "the prompt's own pattern without its format tokens",
}
"""Donors that carry no information about the right answer: a description of each, by the name of its arm."""


class Replacement(OverPairs):
    """Reduces the tables of `replacement` to crossings and widths.

    Args:
        tables: one table for each arm, by its name.
        band: the claimed interval of the crossing.
        has_bos: whether the tokenizer puts a BOS before a prompt.
        by_layer: the tables of the main arm and of the uninformed arm at each layer, by the name of the arm. Empty if
            only the layer of interest was measured.
    """

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        settings: Settings,
        *,
        band: Criterion,
        has_bos: bool,
        by_layer: Mapping[int, Mapping[str, pd.DataFrame]] | None = None,
    ) -> None:
        super().__init__(settings)
        self._tables, self._band, self._has_bos = tables, band, has_bos
        self._cases = {arm: crossings(table) for arm, table in tables.items()}
        self._by_layer = {
            layer: {arm: crossings(there[arm]) for arm in (ALIGNED.name, UNINFORMED.name)}
            for layer, there in (by_layer or {}).items()
        }

    def in_band(self, order: str | None = None, arm: str = ALIGNED.name) -> Parts:
        """Returns the share of prompts that cross inside the claimed interval."""
        return self._in_band(self._cases[arm], order)

    def width(self, order: str | None = None, arm: str = ALIGNED.name) -> Parts:
        """Returns the median width of the rise over the prompts that cross. Returns {} if there are none."""
        return self._width(self._cases[arm], order)

    def needs_the_pattern(self, order: str | None = None, donor: str = UNINFORMED.name) -> Parts:
        """Returns the share of prompts that another donor does not turn, or turns later than the Simple pattern.

        Only prompts that the Simple pattern turns are counted.
        """
        return self._needs_the_pattern(self._aligned, self._cases[donor], order)

    def require_turns(self, minimum: int) -> None:
        """Raises NotApplicable if fewer than `minimum` pairs cross.

        A margin that does not turn has no sharpness, and no donor that turns it later.
        """
        cases = self._aligned
        count = cases.loc[cases["crossing_share"] < inf, "pair"].nunique()
        if count < minimum:
            raise NotApplicable(
                f"the answers of {count} of {cases['pair'].nunique()} pairs turn right while the pattern is replaced"
                f" ({minimum} needed)"
            )

    def donors_without_the_answer(self) -> tuple[Chance, ...]:
        """Returns the shares in the claimed interval with donors that carry no information about the right answer.

        They move as much attention as the Simple pattern.
        """
        return tuple(
            Chance(
                f"{world}: median crossing {_interval(self._crossing(arm))}, repairs"
                f" {self._cases[arm]['repaired'].mean():.0%} at full replacement",
                share.value,
            )
            for arm, world in _WITHOUT_THE_ANSWER.items()
            for share in self.in_band(arm=arm).values()
        )

    def straight_line(self) -> tuple[Chance, ...]:
        """Returns the width of a rise that is not sharp at any place."""
        return (Chance("a margin that rises in a straight line", 0.8),)

    def donor_crossings(self) -> tuple[Chance, ...]:
        """Returns the share for a donor that does as well as the Simple pattern, and the median crossing of each."""
        found = {
            "the Simple pattern": self._crossing(ALIGNED.name),
            "uniform attention": self._crossing(UNINFORMED.name),
        }
        return (
            Chance("a donor that turns the same answers at the same place", 0.0),
            *(Chance(f"median crossing with {donor}: {_interval(e)}", None) for donor, e in found.items()),
        )

    def variants(self, measure: Callable[..., Parts]) -> dict[str, Parts]:
        """Returns `in_band` or `width` with other alignments, donors and starts, by the name of the arm."""
        others = [arm for arm in self._tables if arm not in (ALIGNED.name, *_WITHOUT_THE_ANSWER)]
        return {arm: measure(arm=arm) for arm in others}

    def other_donors(self) -> dict[str, Parts]:
        """Returns `needs_the_pattern` with the other donors that carry no information about the right answer."""
        return {_WITHOUT_THE_ANSWER[OWN.name]: self.needs_the_pattern(donor=OWN.name)}

    def in_band_by_layer(self) -> dict[int, float]:
        """Returns the share of prompts that cross inside the claimed interval, at each measured layer."""
        return {layer: self._in_band(cases[ALIGNED.name])["all"].value for layer, cases in self._by_layer.items()}

    def width_by_layer(self) -> dict[int, float]:
        """Returns the median width at each measured layer. It is infinite where no prompt crosses."""
        widths = {layer: self._width(cases[ALIGNED.name]) for layer, cases in self._by_layer.items()}
        return {layer: width["all"].value if width else inf for layer, width in widths.items()}

    def needs_the_pattern_by_layer(self) -> dict[int, float]:
        """Returns `needs_the_pattern` at each measured layer. It is 0 where the Simple pattern turns no answer."""
        found = {
            layer: self._needs_the_pattern(cases[ALIGNED.name], cases[UNINFORMED.name])
            for layer, cases in self._by_layer.items()
        }
        return {layer: share["all"].value if share else 0.0 for layer, share in found.items()}

    def furthest_from_band(self) -> Counterexample | None:
        """Returns the prompt whose crossing is furthest from the claimed interval. Returns None if all are in it."""
        case = min(self._aligned.itertuples(), key=lambda case: self._band.room(case.crossing_share))
        if self._inside(case.crossing_share):
            return None
        crosses = isfinite(case.crossing_share)
        turn = f"turns at {case.crossing_share:.2f}" if crosses else "does not stay positive at any place"
        text = f"Q&A with {case.pair}, {case.order}: the margin {turn}"
        return Counterexample(text, tokens_of(case.pair, case.order, QA.name))

    def notes(self) -> tuple[str, ...]:
        """Returns further facts for the reader, one sentence or a few per note."""
        cases = self._aligned
        crossed, relapsed = (cases["crossing_share"] < inf).sum(), cases["relapses"].sum()
        repaired = (
            f"Of {len(cases)} prompts, {crossed} turn right and stay so for a tenth of the way; {relapsed} of these"
            f" turn wrong again later. Full replacement repairs {cases['repaired'].sum() or 'none'} of {len(cases)}."
        )
        no_bos = (
            "This tokenizer puts no BOS: Simple's attention sink is the first number's own first token, and its"
            " mass moves to that number. The donor of equal length begins with filler and does not have this effect."
        )
        return tuple(filter(None, (self._places(), repaired, self._shapes(), None if self._has_bos else no_bos)))

    def drawing(self) -> Drawing:
        """Returns the drawing of the curves and of the claimed interval."""
        crossing, repaired = self.median(_indexed(self._aligned)["crossing_share"])["all"], self._aligned["repaired"]
        return Drawing(
            partial(self._figure, crossing),
            alt=f"Three curves against the share of the pattern replaced: success is {repaired.mean():.0%} at full"
            f" replacement, the median crossing of the margin is {_interval(crossing)}, and the norm of the residual"
            " stream.",
        )

    @property
    def data(self) -> pd.DataFrame:
        """The tables of all arms."""
        return pd.concat(self._tables.values(), ignore_index=True)

    @property
    def _aligned(self) -> pd.DataFrame:
        return self._cases[ALIGNED.name]

    def _inside(self, crossing: float) -> bool:
        return self._band.room(crossing) >= -1e-9

    def _in_band(self, cases: pd.DataFrame, order: str | None = None) -> Parts:
        return self.share(_indexed(cases)["crossing_share"].map(self._inside), order)

    def _width(self, cases: pd.DataFrame, order: str | None = None) -> Parts:
        return self.median(_indexed(cases[cases["crossing_share"] < inf])["width_share"], order)

    def _needs_the_pattern(self, aligned: pd.DataFrame, others: pd.DataFrame, order: str | None = None) -> Parts:
        simple, other = (_indexed(cases)["crossing_share"] for cases in (aligned, others))
        turned = simple[simple < inf].index.intersection(other.index)
        return self.share(other[turned] - simple[turned] > LATER + 1e-9, order)

    def _crossing(self, arm: str, order: str | None = None) -> Estimate | None:
        """Returns the median crossing. A prompt that does not cross counts as infinite. None if there is no prompt."""
        return self.median(_indexed(self._cases[arm])["crossing_share"], order).get("all")

    def _places(self) -> str:
        """Returns a note on the median crossing, over all prompts and in each order of the numbers."""
        texts = []
        for order in ORDERS:
            found = self._crossing(ALIGNED.name, order)
            texts.append(f"{_interval(found)} with {order} ({found.n} pairs)" if found else f"no prompt with {order}")
        return f"Median crossing {_interval(self._crossing(ALIGNED.name))}: {', '.join(texts)}."

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

    def _figure(self, crossing: Estimate) -> Figure:
        from claims.competition.pattern_replacement.figure import replacement_curve

        return replacement_curve(
            self._coarse(ALIGNED.name),
            band=(self._band.low, self._band.high),
            measured=(min(crossing.value, 1.0), min(crossing.low, 1.0), min(crossing.high, 1.0)),
            uninformed=self._coarse(UNINFORMED.name),
            n=crossing.n,
        )

    def _coarse(self, arm: str) -> pd.DataFrame:
        """Returns the rows with amounts at which every case was measured."""
        table = self._tables[arm]
        measured = table.groupby("amount")["margin_logits"].transform("size")
        return table[measured == measured.max()]


def _indexed(cases: pd.DataFrame) -> pd.DataFrame:
    return cases.set_index(["pair", "order"])


def _interval(crossing: Estimate | None) -> str:
    """Returns a median crossing with its interval as text."""
    if crossing is None:
        return "unknown"
    if not isfinite(crossing.low):
        return "never"
    value, low, high = (f"{x:.2f}" if isfinite(x) else "never" for x in (crossing.value, crossing.low, crossing.high))
    return f"{value} [{low}, {high}]"
