"""Searches pairs for the bug, and decides in which order of the numbers there is one.

A prompt has the bug if the model answers it right in Simple and wrong in Q&A. A model that answers at random has such
prompts, too. So an order of the numbers counts only if the reverse is rarer there than chance allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from claims.competition.behaviour import unedited
from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, QA, QUESTIONS, SIMPLE, Case, Order, Pair, ask, in_words
from claims.competition.theory import BUG_LEVEL, BUG_SET_MINIMUM
from referee.judging import statistics
from referee.judging.evidence import NotApplicable
from referee.measuring.session import Session
from reports.tables import Cell, Table

BATCH = 20
"""The number of pairs that are asked at a time."""
_EITHER = "either"


def screen(session: Session, pairs: Sequence[Pair], *, bugs: int, progress: str | None = None) -> pd.DataFrame:
    """Asks pairs in Simple and Q&A, in both orders, until enough of them have the bug.

    The pairs are asked in their order, in batches of BATCH. The search stops when at least `bugs` pairs have the bug in
    some order, or when all pairs are asked. It has no effect on the test in `Contrast`: that the last bug comes among
    the first n prompts means that these n prompts contain at least as many bugs.

    Returns one row per prompt with the columns of `behaviour.unedited`. Raises ValueError if there are no pairs.
    """
    if not pairs:
        raise ValueError("A search for the bug needs at least one pair; got none")
    tables: list[pd.DataFrame] = []
    found = 0
    for start in range(0, len(pairs), BATCH):
        tables.append(unedited(session, ask(pairs[start : start + BATCH], [SIMPLE, QA]), progress=progress))
        found += _count_pairs(bugged(tables[-1]))
        if found >= bugs:
            break
    return pd.concat(tables, ignore_index=True)


def in_both_formats(table: pd.DataFrame, *, score: str = "correct", question: str = QA.name) -> pd.DataFrame:
    """Returns whether each case is right in Simple (`simple`) and in Q&A (`question`); index (pair, order).

    The `score` "correct" uses the margin. The `score` "top_answer" uses the most likely next token. `question` is the
    name of the phrasing that takes the place of Q&A.
    """
    right = table["correct"] if score == "correct" else table["top_answer"] == "right"
    table = table.assign(right=right.astype(bool)).set_index(["pair", "order"])
    columns = {"simple": SIMPLE.name, "question": question}
    return pd.DataFrame({column: table.loc[table["format"] == name, "right"] for column, name in columns.items()})


@dataclass(frozen=True)
class Contrast:
    """The answers in one order of the numbers.

    Attributes:
        simple, question: the shares of right answers in Simple and in Q&A.
        better, worse: the numbers of prompts that are right in Simple alone, and right in Q&A alone.
        p: the probability of at least `better` if both kinds are equally likely (exact test of McNemar).
    """

    simple: float
    question: float
    better: int
    worse: int

    @property
    def p(self) -> float:
        return statistics.mcnemar(self.better, self.worse)

    @property
    def beyond_chance(self) -> bool:
        """True if Simple beats Q&A beyond chance, with a correction for both orders of the numbers."""
        return self.p <= BUG_LEVEL / len(ORDERS)


def without_document_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of a table without the pairs of the seed document."""
    return table[~table["pair"].isin([str(pair) for pair in DOCUMENT_PAIRS])]


def contrasts(table: pd.DataFrame) -> dict[Order, Contrast]:
    """Returns the answers in each order of the numbers that occurs in the table.

    The pairs of the seed document are left out. They were chosen because a model had the bug on them, so they are no
    random sample of pairs.
    """
    right = in_both_formats(without_document_pairs(table))
    found: dict[Order, Contrast] = {}
    for order in ORDERS:
        here = right[right.index.get_level_values("order") == order]
        if len(here):
            better, worse = here["simple"] & ~here["question"], ~here["simple"] & here["question"]
            simple, question = float(here["simple"].mean()), float(here["question"].mean())
            found[order] = Contrast(simple, question, int(better.sum()), int(worse.sum()))
    return found


def orders_with_bug(table: pd.DataFrame) -> tuple[Order, ...]:
    """Returns the orders of the numbers in which Simple beats Q&A beyond chance."""
    return tuple(order for order, found in contrasts(table).items() if found.beyond_chance)


def bugged(table: pd.DataFrame, orders: Sequence[Order] = ORDERS, *, question: str = QA.name) -> list[Case]:
    """Returns the cases of these orders that are right in Simple and wrong in Q&A, or in the phrasing `question`."""
    right = in_both_formats(table, question=question)
    found = right.index[right["simple"] & ~right["question"]]
    return [Case(Pair.parse(pair), order) for pair, order in found if order in orders]


def bug_cases(table: pd.DataFrame) -> list[Case]:
    """Returns the bugged cases of the orders in which there is a bug beyond chance. There may be none."""
    return bugged(table, orders_with_bug(table))


def phenomenon(table: pd.DataFrame) -> str:
    """Returns a text: the shares of right answers in both formats, and whether they show the bug, for each order.

    An order shows the bug if Simple beats Q&A there beyond chance. The pairs of the seed document are left out.
    """
    of_orders = [
        f"with the {in_words(order)}, {found.simple:.0%} in Simple and {found.question:.0%} in Q&A,"
        f" which {'shows' if found.beyond_chance else 'does not show'} the bug (p = {found.p:.2g})"
        for order, found in contrasts(table).items()
    ]
    asked = without_document_pairs(table)["pair"].nunique()
    text = "; ".join(of_orders) or "not known, because only the pairs of the seed document were asked"
    return f"Right answers of this model: {text}. n = {asked} pairs, without those of the seed document."


def require_bug(table: pd.DataFrame) -> list[Case]:
    """Returns the same as `bug_cases`. Raises NotApplicable if they have fewer pairs than the theory requires."""
    cases = bug_cases(table)
    if _count_pairs(cases) < BUG_SET_MINIMUM:
        answers = "; ".join(
            f"{c.simple:.0%} and {c.question:.0%} with {order} (p = {c.p:.2g})" for order, c in contrasts(table).items()
        )
        raise NotApplicable(
            f"only {_count_pairs(cases)} of {table['pair'].nunique()} pairs have the bug in an order of the numbers in"
            f" which Simple beats Q&A beyond chance ({BUG_SET_MINIMUM} needed); right in Simple and in Q&A: {answers}"
        )
    return cases


def context(screened: pd.DataFrame, controls: pd.DataFrame, phrasings: pd.DataFrame) -> Table:
    """Returns the facts about control pairs, other phrasings and the screened pairs, beside the published ones.

    Args:
        screened: the table of `screen`.
        controls: the table of `behaviour.unedited` for control pairs in Simple and Q&A.
        phrasings: the same for the pairs of the seed document in Simple and QUESTIONS.
    """
    rows: list[tuple[Cell, ...]] = []
    for (format, order), group in controls.groupby(["format", "order"], sort=False):
        rows.append((f"Control pairs right in {format}", order, float(group["correct"].mean()), len(group), ""))
    counts = [_count_pairs(bugged(phrasings, question=phrasing.name)) for phrasing in QUESTIONS]
    for which, least in (("at least one", 1), ("most", len(DOCUMENT_PAIRS) // 2 + 1)):
        phrased = sum(count >= least for count in counts) / len(counts)
        name = f"Phrasings of Q&A with the bug in {which} of the seed document's pairs"
        rows.append((name, _EITHER, phrased, len(counts), "1 of 9 phrasings"))
    pairs = screened["pair"].nunique()
    searched: list[tuple[str, tuple[Order, ...]]] = [(order, (order,)) for order in ORDERS]
    for name, orders in [*searched, (_EITHER, ORDERS)]:
        share = _count_pairs(bugged(screened, orders)) / pairs
        rows.append(("Screened pairs with the bug", name, share, pairs, "0 of 70 other pairs"))
    columns = ("What", "Order of the numbers", "Share", "n", "Published")
    return Table("Control pairs and other phrasings", columns, tuple(rows))


def _count_pairs(cases: Sequence[Case]) -> int:
    return len({case.pair for case in cases})
