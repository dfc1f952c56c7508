"""Runs all methods on one subject, and collects what each of them calls each claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from claims.competition.as_published import outcomes
from claims.competition.as_published.checker import needs_bare_numbers
from claims.competition.as_published.measure import Sweep, answers_by_text, written
from claims.competition.as_published.methods import PUBLISHED_CASE, Method, Prompts
from claims.competition.as_published.published import CLAIMS
from claims.competition.behaviour import unedited
from claims.competition.head_subsets.measure import needed
from claims.competition.heads import even_heads
from claims.competition.prompts import ORDERS, Case, Pair
from claims.competition.screening import contrasts
from claims.competition.sweeps import one_of_each_pair
from claims.competition.theory import BUG_LEVEL, BUG_OF_FORMAT
from referee.judging.claims import Claim
from referee.judging.verdict import Verdict
from referee.measuring.session import Session

PROMPTS = 12
"""The largest number of prompts with the bug, one of each pair, on which a method with many prompts runs."""


@dataclass(frozen=True)
class Comparison:
    """What each method finds on one subject.

    Attributes:
        calls: what each method calls each claim.
        courses: what the replacements do to each prompt with the bug, by method.
        answers: the unedited answers by margin and by text, for each of the two methods of scoring.
    """

    calls: Mapping[tuple[Method, Claim], Verdict]
    courses: Mapping[Method, Sequence[outcomes.Course]]
    answers: Mapping[bool, pd.DataFrame]


def compare(
    session: Session,
    methods: Iterable[Method],
    prompts: Prompts,
    pairs: Sequence[Pair],
    layers: Sequence[int],
    *,
    bare: bool | None = None,
    counts: Sequence[int] | None = None,
    seed: int = 0,
    progress: str | None = None,
) -> Comparison:
    """Runs each method.

    Args:
        pairs: the pairs among which methods with many prompts look for the bug.
        layers: the other layers at which everything is replaced.
        bare: whether the text checker accepts bare numbers. By default, it does so only if the subject writes no
            sentence that the checker knows after the published case; see `checker.read`.
        counts: the numbers of even heads or blocks. By default one fewer than half, half, and all.
    """
    if bare is None:
        asked = [PUBLISHED_CASE.asked(of) for of in (prompts.donor, prompts.recipient)]
        bare = needs_bare_numbers(written(session, asked), PUBLISHED_CASE.pair)
    half = needed(session.subject)
    counts = [c for c in (half - 1, half, len(even_heads(session.subject))) if c] if counts is None else counts
    methods = list(dict.fromkeys(methods))
    answers = {text: _answers(session, prompts, pairs, bare, text=text) for text in (False, True)}
    sweep = Sweep(session, bare)
    for method in methods:
        sweep.add(method, prompts, _bugged(answers[method.text], method), counts, layers, seed)
    table = sweep.run(progress=progress)
    courses = {method: outcomes.courses(method, prompts, table) for method in methods}
    calls: dict[tuple[Method, Claim], Verdict] = {}
    for method in methods:
        for claim in CLAIMS:
            if claim is BUG_OF_FORMAT:
                calls[method, claim] = outcomes.call_bug(_of(method, answers[method.text]), method)
            else:
                calls[method, claim] = outcomes.call(claim, method, courses[method])
    return Comparison(calls, courses, answers)


def _answers(session: Session, prompts: Prompts, pairs: Sequence[Pair], bare: bool, *, text: bool) -> pd.DataFrame:
    """Returns whether the unedited answers in both formats are right: `pair`, `order`, `donor` and `recipient`."""
    cases = [Case(pair, order) for pair in dict.fromkeys([PUBLISHED_CASE.pair, *pairs]) for order in ORDERS]
    if text:
        table = answers_by_text(session, cases, prompts, bare=bare)
    else:
        table = unedited(session, [case.asked(of) for case in cases for of in (prompts.donor, prompts.recipient)])
    right = table["correct"].to_numpy().reshape(-1, 2)
    return pd.DataFrame(
        {
            "pair": [str(case.pair) for case in cases],
            "order": [case.order for case in cases],
            "donor": right[:, 0],
            "recipient": right[:, 1],
        }
    )


def _of(method: Method, answers: pd.DataFrame) -> pd.DataFrame:
    """Returns the answers that a method looks at."""
    if not method.one_prompt:
        return answers
    return answers[(answers["pair"] == str(PUBLISHED_CASE.pair)) & (answers["order"] == PUBLISHED_CASE.order)]


def _bugged(answers: pd.DataFrame, method: Method) -> list[Case]:
    """Returns the cases with the bug on which a method runs. There may be none."""
    chosen = _of(method, answers)
    if not method.one_prompt:
        # A random model has such cases, too. So an order counts only if the reverse is rarer than chance allows.
        simple = chosen.melt(["pair", "order"], var_name="format", value_name="correct")
        simple["format"] = simple["format"].map({"donor": "Simple", "recipient": "Q&A"})
        found = contrasts(simple)
        beyond = [order for order, contrast in found.items() if contrast.p <= BUG_LEVEL / len(ORDERS)]
        chosen = chosen[chosen["order"].isin(beyond)]
    bugged = chosen[chosen["donor"] & ~chosen["recipient"]]
    cases = [Case(Pair.parse(pair), order) for pair, order in zip(bugged["pair"], bugged["order"], strict=True)]
    return one_of_each_pair(cases, PROMPTS)
