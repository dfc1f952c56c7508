"""Experiment 4.1: how much of the faulty pattern must be replaced before the answer turns right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bandwidth.edits import Replace
from bandwidth.experiments.behaviour import describe
from bandwidth.experiments.interventions import UNEDITED
from bandwidth.prompts import INJECTION, QA, SIMPLE, Format, Order, Pair, Prompt
from bandwidth.requests import Trial
from bandwidth.session import Session
from bandwidth.tokens import AlignmentKind, Tokens, lengthened, tokenize

COARSE = tuple(round(0.05 * step, 2) for step in range(21))
COARSER = COARSE[::2]
REPLACED = "whole pattern replaced"
_FINEST = 0.0125
"""Amounts around the turn are halved until they lie no further apart than this."""


@dataclass(frozen=True)
class Arm:
    """One way of replacing: by which alignment, from which donor."""

    name: str
    alignment: AlignmentKind = "meaning"
    informed: bool = True
    filled: bool = False
    own: bool = False


ALIGNED = Arm("aligned by meaning")
UNINFORMED = Arm("uniform donor", informed=False)
OWN = Arm("own pattern without its format tokens", own=True)
"""The prompt as its own donor: aligned by meaning, format tokens have no counterpart and lose their mass."""
VARIANTS = (
    Arm("last prompt row only", alignment="last row"),
    Arm("right-aligned block", alignment="right block"),
    Arm("donor of equal length", alignment="right block", filled=True),
)


def replacement(
    session: Session,
    cases: Sequence[tuple[Pair, Order]],
    arm: Arm = ALIGNED,
    *,
    start: Format = QA,
    amounts: Sequence[float] = COARSE,
    refine: bool = True,
    progress: str | None = None,
) -> pd.DataFrame:
    """A row a case × amount: `margin_logits`, `output_norm` with that much of the pattern replaced.

    In every head of the layer of interest the pattern of the `start` prompt is blended with the aligned
    pattern of the same case's Simple prompt. Where the margin turns positive between two amounts, the gap
    between them is halved until it is no wider than 0.0125.
    """
    targets = [tokenize(Prompt(pair, order, start), session.subject.tokenizer) for pair, order in cases]
    donors = [_donor(session, case, target, arm) for case, target in zip(cases, targets, strict=True)]

    def measured(wanted: list[tuple[int, float]]) -> pd.DataFrame:
        # Nothing replaced is the prompt itself, whatever the arm.
        trials = [
            Trial(targets[i], Replace(donors[i], amount, arm.alignment, arm.informed) if amount else None)
            for i, amount in wanted
        ]
        table = session.margins(trials, progress=progress)
        labels = [(i, str(cases[i][0]), cases[i][1], arm.name, amount) for i, amount in wanted]
        return pd.concat([pd.DataFrame(labels, columns=["case", "pair", "order", "arm", "amount"]), table], axis=1)

    table = measured([(i, amount) for i in range(len(cases)) for amount in amounts])
    while refine and (middles := _middles(table)):
        table = pd.concat([table, measured(middles)])
    return table.sort_values(["case", "amount"], ignore_index=True).drop(columns="case")


def starts(formats: Sequence[Format]) -> list[Format]:
    """Faulty prompts besides Q&A from which the way to the Simple pattern may be measured: Chat, if any, and Full."""
    return [*(format for format in formats if format not in (SIMPLE, QA)), INJECTION[-1]]


def whole_replacement(
    session: Session, cases: Sequence[tuple[Pair, Order]], *, faulty: bool = False, progress: str | None = None
) -> pd.DataFrame:
    """The Q&A prompts unedited and with the whole aligned pattern replaced, as a table of `interventions`.

    With `faulty` the donor is the Q&A prompt of the next case in the same order, token by token: a control that
    should do little.
    """
    prompts = [Prompt(pair, order, QA) for pair, order in cases]
    targets = [tokenize(prompt, session.subject.tokenizer) for prompt in prompts]
    alignment: AlignmentKind = "right block" if faulty else "meaning"
    if faulty:
        donors = [targets[_next_in_order(cases, i)] for i in range(len(cases))]
    else:
        donors = [_donor(session, c, t, ALIGNED) for c, t in zip(cases, targets, strict=True)]
    replaced = [Trial(t, Replace(d, 1.0, alignment)) for t, d in zip(targets, donors, strict=True)]
    both = [*(Trial(t) for t in targets), *replaced]
    found = session.margins(both, top_answers=True, progress=progress)
    table = pd.concat([describe(prompts).assign(arm=arm) for arm in (UNEDITED, REPLACED)], ignore_index=True)
    table[["margin_logits", "top_answer"]] = found[["margin_logits", "top_answer"]]
    return table.assign(right=table["margin_logits"] > 0)


def _next_in_order(cases: Sequence[tuple[Pair, Order]], i: int) -> int:
    """The next case with its numbers in the same order, round and round."""
    alike = [k for k, case in enumerate(cases) if case[1] == cases[i][1]]
    return alike[(alike.index(i) + 1) % len(alike)]


def _donor(session: Session, case: tuple[Pair, Order], target: Tokens, arm: Arm) -> Tokens:
    if arm.own:
        return target
    donor = tokenize(Prompt(*case, SIMPLE), session.subject.tokenizer)
    return lengthened(donor, len(target), session.subject.tokenizer) if arm.filled else donor


def _middles(table: pd.DataFrame) -> list[tuple[int, float]]:
    """For each case whose first turn from wrong to right lies in too wide a gap: the middle of that gap."""
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
    """A row a case of `replacement` that is wrong at amount 0: where its margin turns, and how abruptly.

    Columns:
        crossing_share: smallest amount at which the margin is zero, interpolated; infinite where the full
            replacement (amount 1) does not repair the answer.
        repaired: whether it does.
        width_share: distance between the amounts at which the margin has made 10 % and 90 % of its way
            from amount 0 to amount 1; infinite where the full replacement does not repair. A curve that is
            straight has 0.8.
        monotone: whether the answer, once right, stays right.
    """
    rows = []
    for (pair, order), curve in table.groupby(["pair", "order"], sort=False):
        amount, margin = curve["amount"].to_numpy(), curve["margin_logits"].to_numpy()
        right = margin > 0
        if right[0]:
            continue  # what was never wrong cannot be repaired
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
    """The margin's course of each pair that is repaired, as a share of its way from amount 0 to 1; [pair, amount].

    A pair's orders are averaged, so that pairs are what is held out.
    """
    found = []
    for _, cases in table.groupby("pair", sort=False):
        curves = [(c["amount"], c["margin_logits"]) for _, c in cases.groupby("order", sort=False)]
        mean = np.mean([np.interp(amounts, amount, margin) for amount, margin in curves], axis=0)
        if mean[0] < 0 < mean[-1]:
            found.append((mean - mean[0]) / (mean[-1] - mean[0]))
    return np.asarray(found)


def _width(amount: np.ndarray, margin: np.ndarray) -> float:
    """Of a curve that ends right; infinite where it does not end higher than it began."""
    rise = margin[-1] - margin[0]
    if rise <= 0:
        return np.inf
    way = (margin - margin[0]) / rise
    return _first_reach(amount, way, 0.9) - _first_reach(amount, way, 0.1)


def _first_reach(x: np.ndarray, y: np.ndarray, level: float) -> float:
    """The smallest x at which y, drawn straight between its points, rises above a level that its last one is above."""
    i = int((y > level).argmax())
    if i == 0:
        return float(x[0])
    return float(x[i - 1] + (level - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1]))
