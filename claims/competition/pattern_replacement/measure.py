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
"""Largest distance between the amounts on both sides of the crossing. Wider gaps are halved."""
_FROM_TO = (0.1, 0.9)
"""The parts of the rise between which its width is measured."""
_LASTING = 0.1
"""The part of the way for which the margin must stay positive after the crossing."""


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
    layer: int | None = None,
    refine: bool = True,
    progress: str | None = None,
) -> pd.DataFrame:
    """Returns one row per case × amount: `margin_logits` and `output_norm` with this amount of the pattern replaced.

    The edit blends the pattern of the `start` prompt with the aligned pattern of the Simple prompt of the same case.
    It edits every head of `layer`. By default, this is the layer of interest. The gaps between the amounts around the
    crossing, and around 10 % and 90 % of the rise (see `crossings`), are halved until they are at most 0.0125.
    `refine` = False leaves the gaps as they are.
    """
    where = session.layer if layer is None else layer
    targets = [session.tokenize(case.asked(start)) for case in cases]
    donors = [_donor(session, case, target, arm) for case, target in zip(cases, targets, strict=True)]

    def trial(i: int, amount: float) -> Trial:
        if amount == 0:  # then every arm is the unedited prompt
            return Trial(targets[i])
        return Trial(targets[i], {where: Replace(donors[i], amount, arm.alignment, arm.informed)})

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
    of the next case in the same order, token by token. This control should have little effect. A case that is alone in
    its order has no such donor and is left out.
    """
    where = session.layer if layer is None else layer
    if faulty:
        cases = [case for case in cases if sum(case.order == other.order for other in cases) > 1]
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
    """Returns (case, amount): the middle of each gap of `wide_gaps`."""
    found = []
    for case, curve in table.sort_values("amount").groupby("case"):
        amounts = curve["amount"].to_numpy()
        wide = wide_gaps(amounts, curve["margin_logits"].to_numpy())
        found += [(int(case), float(amounts[end - 1] + amounts[end]) / 2) for end in wide]
    return found


def wide_gaps(amount: np.ndarray, margin: np.ndarray) -> list[int]:
    """Returns the gaps between amounts that must be halved, each by the index of its upper end.

    They are the gaps that contain the crossing, or 10 % or 90 % of the rise, if they are wider than 0.0125. Without
    the latter two, straight lines across wide gaps make every rise look 0.015 wider than it is.
    """
    turn = _lasting_turn(amount, margin)
    if turn is None:
        return []
    bottom, top = _rise(margin, turn)
    levels = [margin[bottom] + share * (margin[top] - margin[bottom]) for share in _FROM_TO]
    ends = {turn, *(bottom + int((margin[bottom : top + 1] > level).argmax()) for level in levels)}
    return sorted(end for end in ends if amount[end] - amount[end - 1] > _FINEST + 1e-9)


def crossings(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the place and the sharpness of the turn, one row per case of `replacement` that is wrong at amount 0.

    Columns:
        crossing_share: first amount from which the margin stays positive for a tenth of the way, or up to amount 1 if
            less than a tenth is left. The zero of the margin is interpolated. Infinite if there is no such amount.
        repaired: True if the full replacement (amount 1) repairs the answer.
        relapses: True if the answer turns wrong again after the crossing.
        monotone: True if the answer stays right after it first turns right.
        width_share: distance between the amounts at which the margin first makes 10 % and 90 % of its rise. The rise
            goes from the lowest margin before the crossing to the highest margin after it. The width is 0.8 for a
            straight line, and infinite if there is no crossing.
    """
    rows = []
    for (pair, order), curve in table.sort_values("amount", kind="stable").groupby(["pair", "order"], sort=False):
        amount, margin = curve["amount"].to_numpy(), curve["margin_logits"].to_numpy()
        right = margin > 0
        if right[0]:
            continue  # an answer that was never wrong cannot be repaired
        turn = _lasting_turn(amount, margin)
        rows.append(
            {
                "pair": pair,
                "order": order,
                "crossing_share": _level_between(amount, margin, turn, 0.0) if turn else np.inf,
                "repaired": bool(right[-1]),
                "relapses": turn is not None and not right[turn:].all(),
                "monotone": bool((np.diff(right.astype(int)) >= 0).all()),
                "width_share": _width(amount, margin, turn) if turn else np.inf,
            }
        )
    columns = ["pair", "order", "crossing_share", "repaired", "relapses", "monotone", "width_share"]
    return pd.DataFrame(rows, columns=columns)


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


def _lasting_turn(amount: np.ndarray, margin: np.ndarray) -> int | None:
    """Returns the index of the first point after the crossing. Returns None if there is no crossing.

    Between two points, the margin is a straight line.
    """
    right = margin > 0
    for turn in (np.flatnonzero(~right[:-1] & right[1:]) + 1).tolist():
        if right[turn:].all():
            return turn
        back = turn + int((~right[turn:]).argmax())
        lasted = _level_between(amount, margin, back, 0.0) - _level_between(amount, margin, turn, 0.0)
        if lasted >= _LASTING - 1e-9:
            return turn
    return None


def _rise(margin: np.ndarray, turn: int) -> tuple[int, int]:
    """Returns the indices of the lowest point before `turn`, the last of equal ones, and of the highest point after it.

    Then a margin that was positive for a moment, before the rise, is no part of it.
    """
    return turn - 1 - int(margin[:turn][::-1].argmin()), turn + int(margin[turn:].argmax())


def _width(amount: np.ndarray, margin: np.ndarray, turn: int) -> float:
    """Returns the width of the rise, from the lowest point before the index `turn` to the highest point after it.

    The result is rounded, so that widths that are equal except for rounding errors are equal.
    """
    bottom, top = _rise(margin, turn)
    amount, rise = amount[bottom : top + 1], margin[bottom : top + 1] - margin[bottom]
    ends = []
    for share in _FROM_TO:
        level = share * rise[-1]
        ends.append(_level_between(amount, rise, int((rise > level).argmax()), level))
    return round(ends[1] - ends[0], 6)


def _level_between(x: np.ndarray, y: np.ndarray, i: int, level: float) -> float:
    """Returns the x between the points i − 1 and i at which a straight line has the value `level`."""
    return float(x[i - 1] + (level - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1]))
