"""Experiment 4.1: how much of the faulty pattern must be replaced until the answer turns right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from claims.competition.behaviour import describe, with_answers
from claims.competition.interventions import UNEDITED
from claims.competition.prompts import INJECTION, QA, SIMPLE, Case, Format
from referee.attention.edits import Replace
from referee.measuring.requests import Trial
from referee.measuring.scores import Margin, OutputNorm
from referee.measuring.session import Session
from referee.prompts.tokens import AlignmentKind, Tokens, lengthened

COARSE = tuple(round(0.05 * step, 2) for step in range(21))
"""Shares of the pattern at which every case of the main arm is measured."""
COARSER = COARSE[::2]
"""The same for all other arms."""
REPLACED = "whole pattern replaced"
_FINEST = 0.0125
"""Largest distance between the amounts on both sides of the turn. Wider gaps are halved."""


@dataclass(frozen=True)
class Arm:
    """One variant of the replacement.

    Attributes:
        name: name of the arm.
        alignment: alignment of the donor with the target.
        informed: False if the donor pattern is uniform attention.
        filled: True if filler makes the donor as long as the target.
        own: True if the prompt is its own donor.
    """

    name: str
    alignment: AlignmentKind = "meaning"
    informed: bool = True
    filled: bool = False
    own: bool = False


ALIGNED = Arm("aligned by meaning")
UNINFORMED = Arm("uniform donor", informed=False)
OWN = Arm("own pattern without its format tokens", own=True)
"""The prompt is its own donor. In the alignment by meaning, format tokens have no counterpart and lose their mass."""
VARIANTS = (
    Arm("last prompt row only", alignment="last row"),
    Arm("right-aligned block", alignment="right block"),
    Arm("donor of equal length", alignment="right block", filled=True),
)


def replacement(
    session: Session,
    cases: Sequence[Case],
    arm: Arm = ALIGNED,
    *,
    start: Format = QA,
    amounts: Sequence[float] = COARSE,
    refine: bool = True,
    progress: str | None = None,
) -> pd.DataFrame:
    """Returns one row per case × amount: `margin_logits` and `output_norm` with this amount of the pattern replaced.

    The edit blends the pattern of the `start` prompt with the aligned pattern of the Simple prompt of the same case.
    It edits every head of the layer of interest. If the margin turns positive between two amounts, the gap between
    them is halved until it is at most 0.0125. `refine` = False leaves the gaps as they are.
    """
    targets = [session.tokenize(case.asked(start)) for case in cases]
    donors = [_donor(session, case, target, arm) for case, target in zip(cases, targets, strict=True)]

    def trial(i: int, amount: float) -> Trial:
        if amount == 0:  # then every arm is the unedited prompt
            return Trial(targets[i])
        return Trial(targets[i], {session.layer: Replace(donors[i], amount, arm.alignment, arm.informed)})

    def measured(points: list[tuple[int, float]]) -> pd.DataFrame:
        found = session.scores([trial(*point) for point in points], Margin(), OutputNorm(), progress=progress)
        labels = [(i, str(cases[i].pair), cases[i].order, arm.name, amount) for i, amount in points]
        return pd.concat([pd.DataFrame(labels, columns=["case", "pair", "order", "arm", "amount"]), found], axis=1)

    table = measured([(i, amount) for i in range(len(cases)) for amount in amounts])
    while refine and (middles := _middles(table)):
        table = pd.concat([table, measured(middles)])
    return table.sort_values(["case", "amount"], ignore_index=True).drop(columns="case")


def starts(formats: Sequence[Format]) -> list[Format]:
    """Returns the other faulty formats for the start of the replacement: Chat if it exists, and Full."""
    return [*(format for format in formats if format not in (SIMPLE, QA)), INJECTION[-1]]


def whole_replacement(
    session: Session,
    cases: Sequence[Case],
    *,
    layer: int | None = None,
    faulty: bool = False,
    progress: str | None = None,
) -> pd.DataFrame:
    """Runs the Q&A prompts unedited and with the whole aligned pattern replaced. Returns a table like `interventions`.

    The edit is made at `layer`. By default, this is the layer of interest. With `faulty`, the donor is the Q&A prompt
    of the next case in the same order, token by token. This control should have little effect.
    """
    where = session.layer if layer is None else layer
    prompts = [case.asked(QA) for case in cases]
    targets = [session.tokenize(prompt) for prompt in prompts]
    alignment: AlignmentKind = "right block" if faulty else "meaning"
    if faulty:
        donors = [targets[_next_in_order(cases, i)] for i in range(len(cases))]
    else:
        donors = [_donor(session, c, t, ALIGNED) for c, t in zip(cases, targets, strict=True)]
    trials = [Trial(target) for target in targets]
    trials += [Trial(t, {where: Replace(d, 1.0, alignment)}) for t, d in zip(targets, donors, strict=True)]
    table = pd.concat([describe(prompts).assign(arm=arm) for arm in (UNEDITED, REPLACED)], ignore_index=True)
    return with_answers(table, session, trials, progress=progress)


def _next_in_order(cases: Sequence[Case], i: int) -> int:
    """Returns the index of the next case with the same order of the numbers. The first case follows the last."""
    same_order = [k for k, case in enumerate(cases) if case.order == cases[i].order]
    return same_order[(same_order.index(i) + 1) % len(same_order)]


def _donor(session: Session, case: Case, target: Tokens, arm: Arm) -> Tokens:
    if arm.own:
        return target
    donor = session.tokenize(case.asked(SIMPLE))
    return lengthened(donor, len(target), session.subject.tokenizer) if arm.filled else donor


def _middles(table: pd.DataFrame) -> list[tuple[int, float]]:
    """Returns (case, amount): the middle of the gap in which a case first turns right, if that gap is too wide."""
    found = []
    for case, curve in table.sort_values("amount").groupby("case"):
        amounts, right = curve["amount"].to_numpy(), curve["margin_logits"].to_numpy() > 0
        turns = np.flatnonzero(~right[:-1] & right[1:])
        if turns.size:
            low, high = amounts[turns[0]], amounts[turns[0] + 1]
            if high - low > _FINEST + 1e-9:
                found.append((int(case), float(low + high) / 2))
    return found


def crossings(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the place and the sharpness of the turn, one row per case of `replacement` that is wrong at amount 0.

    Columns:
        crossing_share: smallest amount at which the margin is zero, interpolated. It is infinite if the full
            replacement (amount 1) does not repair the answer.
        repaired: True if the full replacement repairs the answer.
        width_share: distance between the amounts at which the margin has made 10 % and 90 % of its change from
            amount 0 to amount 1. It is infinite if the full replacement does not repair the answer. It is 0.8 for a
            straight line.
        monotone: True if the answer stays right after it first turns right.
    """
    rows = []
    for (pair, order), curve in table.groupby(["pair", "order"], sort=False):
        amount, margin = curve["amount"].to_numpy(), curve["margin_logits"].to_numpy()
        right = margin > 0
        if right[0]:
            continue  # an answer that was never wrong cannot be repaired
        repaired = bool(right[-1])
        rows.append(
            {
                "pair": pair,
                "order": order,
                "crossing_share": _first_reach(amount, margin, 0.0) if repaired else np.inf,
                "repaired": repaired,
                "width_share": _width(amount, margin) if repaired else np.inf,
                "monotone": bool((np.diff(right.astype(int)) >= 0).all()),
            }
        )
    return pd.DataFrame(rows, columns=["pair", "order", "crossing_share", "repaired", "width_share", "monotone"])


def courses(table: pd.DataFrame, amounts: Sequence[float] = COARSE) -> np.ndarray:
    """Returns the curve of the margin for each repaired pair, [pair, amount].

    The values are shares of the change from amount 0 to amount 1. Each curve is the mean over the orders of a pair.
    Therefore cross-validation can hold out whole pairs.
    """
    found = []
    for _, cases in table.groupby("pair", sort=False):
        curves = [(c["amount"], c["margin_logits"]) for _, c in cases.groupby("order", sort=False)]
        mean = np.mean([np.interp(amounts, amount, margin) for amount, margin in curves], axis=0)
        if mean[0] < 0 < mean[-1]:
            found.append((mean - mean[0]) / (mean[-1] - mean[0]))
    return np.asarray(found)


def _width(amount: np.ndarray, margin: np.ndarray) -> float:
    """Returns the width of the rise of a curve that ends right.

    Returns infinity if it does not end higher than it began.
    """
    rise = margin[-1] - margin[0]
    if rise <= 0:
        return np.inf
    progress = (margin - margin[0]) / rise
    return _first_reach(amount, progress, 0.9) - _first_reach(amount, progress, 0.1)


def _first_reach(x: np.ndarray, y: np.ndarray, level: float) -> float:
    """Returns the smallest x at which y rises above a level. The last y must be above the level.

    Between two points, y is interpolated linearly.
    """
    i = int((y > level).argmax())
    if i == 0:
        return float(x[0])
    return float(x[i - 1] + (level - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1]))
