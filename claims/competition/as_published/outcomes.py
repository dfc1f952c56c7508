"""Says of each prompt whether it does as a claim says, and of each claim what a method would call it.

All methods use this one rule, so that two methods differ by their switches alone. It is simpler than the verdicts of
the suite: a claim is SUPPORTED if it holds on more than half of the prompts, by an exact 95 % interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from claims.competition.as_published.measure import EVEN, LAYER, MIXED, ODD, SHARE
from claims.competition.as_published.methods import REPEATS, Method, Prompts
from claims.competition.pattern_replacement.measure import crossings
from claims.competition.theory import (
    BUG_SET_MINIMUM,
    CROSSING_BAND,
    EIGHT_HEADS,
    MOST,
    ONLY_EVEN_HEADS,
    SHARP,
    SIXTY_PERCENT,
)
from referee.judging import statistics
from referee.judging.claims import Claim
from referee.judging.verdict import Verdict, above, decide, decide_all, within


@dataclass(frozen=True)
class Course:
    """What the replacements do to the answer of one prompt that was wrong.

    Attributes:
        crossing_share: the share of the replacement at which the answer turns right, infinite if at none. By text it is
            the first share from which all texts are right.
        sharp: whether the turn is sharp. None if the answer does not turn.
        repairing: the numbers of even heads or blocks that repair.
        tried: the numbers of even heads or blocks that were tried.
        odd: the numbers of odd heads or blocks that repair. The same numbers of them were tried, up to all of them.
        mixed: whether a mix of even and odd heads or blocks repairs, as many as half of the even ones.
        layers: the other layers at which the whole replacement repairs.
    """

    crossing_share: float
    sharp: bool | None
    repairing: tuple[int, ...]
    tried: tuple[int, ...]
    odd: tuple[int, ...]
    mixed: bool
    layers: tuple[int, ...]

    @classmethod
    def of(cls, method: Method, rows: pd.DataFrame) -> Course:
        """Reads the course of one prompt from its rows of `Sweep.run`."""
        right = rows["score"] > 0

        def repairing(arm: str) -> tuple[int, ...]:
            return tuple(int(level) for level in rows.loc[right & (rows["arm"] == arm), "level"])

        curve = rows[rows["arm"] == SHARE]
        crossing, sharp = _turn_of_texts(curve) if method.text else _turn_of_margins(curve)
        tried = tuple(int(level) for level in rows.loc[rows["arm"] == EVEN, "level"])
        return cls(crossing, sharp, repairing(EVEN), tried, repairing(ODD), bool(repairing(MIXED)), repairing(LAYER))

    def does(self, claim: Claim) -> bool | None:
        """Returns whether the prompt does as a claim about the repair says. None if the claim does not apply to it."""
        half = -(-max(self.tried) // 2)
        if claim is SIXTY_PERCENT:
            return within(*CROSSING_BAND).admits(self.crossing_share)
        if claim is SHARP:
            return self.sharp
        if claim is EIGHT_HEADS:
            return all((count in self.repairing) == (count >= half) for count in self.tried)
        if claim is ONLY_EVEN_HEADS:
            return half not in self.odd and not self.mixed
        return not self.layers


def courses(method: Method, prompts: Prompts, table: pd.DataFrame) -> list[Course]:
    """Returns the course of each case in the table of `Sweep.run`."""
    chosen = table[(table["method"] == method) & (table["prompts"] == prompts.name)]
    return [Course.of(method, rows) for _, rows in chosen.groupby(["pair", "order"], sort=False)]


def call(claim: Claim, method: Method, found: Sequence[Course]) -> Verdict:
    """Returns what a method calls a claim about the repair."""
    outcomes = [does for course in found if (does := course.does(claim)) is not None]
    if not _enough(len(outcomes), method):
        return Verdict.NOT_APPLICABLE
    return _decided([(sum(outcomes), len(outcomes))], method)


def call_bug(answers: pd.DataFrame, method: Method) -> Verdict:
    """Returns what a method calls the claim that the bug is one of format.

    `answers` has the columns `pair`, `order`, `donor` and `recipient`: whether the answers in the two formats are
    right. Only answers that differ count.
    """
    differing = answers[answers["donor"] != answers["recipient"]]
    counts = [(int(group["donor"].sum()), len(group)) for _, group in differing.groupby("order", sort=False)]
    return _decided(counts, method) if counts else Verdict.NOT_APPLICABLE


def _enough(prompts: int, method: Method) -> bool:
    """Returns whether there are prompts to judge: one of one prompt, or the theory's minimum of many."""
    return prompts >= (1 if method.one_prompt else BUG_SET_MINIMUM)


def _decided(counts: Sequence[tuple[int, int]], method: Method) -> Verdict:
    """Decides from (prompts that do as claimed, prompts) in each order of the numbers."""
    times = REPEATS if method.repeated else 1
    if min(n for _, n in counts) * times < BUG_SET_MINIMUM:
        return Verdict.INCONCLUSIVE
    estimates = [statistics.proportion(done * times, n * times) for done, n in counts]
    return decide(above(MOST), estimates[0]) if len(estimates) == 1 else decide_all(above(MOST), estimates)


def _turn_of_margins(curve: pd.DataFrame) -> tuple[float, bool | None]:
    found = crossings(curve.rename(columns={"score": "margin_logits", "level": "amount"}))
    crossing = float(found["crossing_share"].iloc[0]) if len(found) else 0.0
    if not len(found) or not np.isfinite(crossing):
        return crossing, None
    return crossing, SHARP.criterion.admits(float(found["width_share"].iloc[0]))


def _turn_of_texts(curve: pd.DataFrame) -> tuple[float, bool | None]:
    """Returns the first share from which all texts are right. A text is right or wrong, so every such turn is sharp."""
    right = curve.sort_values("level")["score"].to_numpy() > 0
    if not right[-1]:
        return np.inf, None
    first = len(right) - int(np.argmin(right[::-1])) if not right.all() else 0
    return float(np.sort(curve["level"])[first]), True
