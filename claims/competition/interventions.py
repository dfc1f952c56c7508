"""Experiments 1.2, 3.2, 5.1 and 5.2: edits of the pattern and their effect on the answer.

Each edit has a name and is one arm of a sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from claims.competition.behaviour import describe
from claims.competition.prompts import QA, SIMPLE, Order, Pair, Prompt
from referee.attention.edits import Edit, Exchange, InHeads, Mask, Move, SetShare, Together
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.models.subjects import Subject
from referee.prompts.tokens import Category, tokenize

TARGETS = tuple(round(0.1 * step, 1) for step in range(1, 10))
"""Numerical shares that experiment 1.2 sets. Edits of all heads together use only COARSE_TARGETS."""
COARSE_TARGETS = TARGETS[::4]
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the format columns that experiment 5.2 takes away."""
UNEDITED = "unedited"
PROMPT = ["pair", "order", "format"]
"""The columns that together identify the prompt of a row."""
Arms = Mapping[str, Edit]
"""Edits by name."""


def interventions(
    session: Session, prompts: Sequence[Prompt], arms: Arms, *, progress: str | None = None
) -> pd.DataFrame:
    """Returns one row per prompt × arm: `margin_logits`, `right`, `top_answer`. The arm UNEDITED is included."""
    tokens = [tokenize(prompt, session.subject.tokenizer) for prompt in prompts]
    edits: dict[str, Edit | None] = {UNEDITED: None, **arms}
    trials = [Trial(asked, edit) for edit in edits.values() for asked in tokens]
    measured = session.margins(trials, top_answers=True, progress=progress)
    table = pd.concat([describe(prompts).assign(arm=arm) for arm in edits], ignore_index=True)
    table[["margin_logits", "top_answer"]] = measured[["margin_logits", "top_answer"]]
    table["right"] = table["margin_logits"] > 0
    return table


def set_shares(
    groups: Mapping[str, Sequence[int]], targets: Sequence[float] = TARGETS, category: Category = "numerical"
) -> dict[str, Edit]:
    """Returns the edits of experiment 1.2: each group of heads at each target share. `share_arm` names the arms."""
    return {
        share_arm(group, target, category): InHeads(SetShare(target, category), tuple(heads))
        for group, heads in groups.items()
        for target in targets
    }


def share_arm(group: str, target: float, category: Category = "numerical") -> str:
    return f"{group} heads, {target:.0%} on {category} tokens"


def document_arm(subject: Subject, even: float = 0.3, odd: float = 0.5) -> dict[str, Edit]:
    """Returns one edit that combines both edits of experiment 1.2, as in the seed document."""
    edits = (
        InHeads(SetShare(even), tuple(subject.even_heads)),
        InHeads(SetShare(odd), tuple(subject.odd_heads)),
    )
    return {f"even heads at {even:.0%} and odd heads at {odd:.0%}": Together(edits)}


def manipulation_arms(
    subject: Subject, group: Literal["even", "odd"], share: float, *, groups: int = 0, seed: int = 0
) -> dict[str, Edit]:
    """Returns all arms of experiment 1.2 for a claim about one group at one share, with controls at that share.

    The first control sets the share of the group on tokens that are neither numbers nor format. The other controls
    use `groups` random groups of heads.
    """
    heads = {
        "even": subject.even_heads,
        "odd": subject.odd_heads,
        "all": list(range(subject.n_heads)),
    }
    drawn = random_groups(subject.n_heads, len(heads[group]), groups, seed)
    return {
        **set_shares({name: heads[name] for name in ("even", "odd")}),
        **set_shares({"all": heads["all"]}, COARSE_TARGETS),
        **set_shares({group: heads[group]}, [share], "other"),
        **document_arm(subject),
        **set_shares(drawn, [share]),
    }


def swaps(subject: Subject, *, groups: int = 0, seed: int = 0) -> dict[str, Edit]:
    """Returns the edits of experiment 3.2: heads take the patterns of their neighbours 2i and 2i + 1.

    The controls exchange patterns within one parity. `groups` random edits are added. In each random edit, chance
    decides which head of two neighbours takes the pattern of the other.
    """
    even, odd = subject.even_heads, subject.odd_heads
    odd = odd[: len(even)]
    even = even[: len(odd)]
    arms: dict[str, Edit] = {
        EVEN_INTO_ODD: Exchange(tuple(zip(odd, even, strict=True))),
        ODD_INTO_EVEN: Exchange(tuple(zip(even, odd, strict=True))),
        ODD_INTO_ODD: Exchange(tuple(zip(odd, odd[1:] + odd[:1], strict=True))),
        EVEN_INTO_EVEN: Exchange(tuple(zip(even, even[1:] + even[:1], strict=True))),
    }
    rng = np.random.default_rng(seed)
    for i in range(groups):
        choices = rng.random(len(even)) < 0.5
        taken = tuple((e, o) if into_even else (o, e) for e, o, into_even in zip(even, odd, choices, strict=True))
        arms[f"{RANDOM} {i + 1}"] = Exchange(taken)
    return arms


EVEN_INTO_ODD, ODD_INTO_EVEN = "even patterns in odd heads", "odd patterns in even heads"
ODD_INTO_ODD, EVEN_INTO_EVEN = "odd patterns in other odd heads", "even patterns in other even heads"
RANDOM = "random group"


def moves(
    groups: Mapping[str, Sequence[int]], *, amount: float = 0.5, target: Category = "numerical"
) -> dict[str, Edit]:
    """Returns the edits of experiment 5.1 for each group of heads.

    They move `amount` of the format mass to `target`.
    """
    return {move_arm(group, target): InHeads(Move(amount, target=target), tuple(g)) for group, g in groups.items()}


def margins_after_move(session: Session, cases: Sequence[tuple[Pair, Order]]) -> list[float]:
    """Returns the margin (logits) of the Q&A prompt of each case, after the edit of experiment 5.1.

    The margin is infinite if there was nothing to repair: if Simple is asked_margins, or if Q&A is right.
    """
    simple, asked = ([tokenize(Prompt(*case, f), session.subject.tokenizer) for case in cases] for f in (SIMPLE, QA))
    unedited = session.margins([Trial(t) for t in (*simple, *asked)])["margin_logits"].to_numpy()
    simple_margins, asked_margins = unedited.reshape(2, -1)
    bugs = np.flatnonzero((simple_margins > 0) & (asked_margins <= 0))
    edit = InHeads(Move(0.5), tuple(session.subject.odd_heads))
    margins = np.full(len(cases), np.inf)
    margins[bugs] = session.margins([Trial(asked[i], edit) for i in bugs])["margin_logits"]
    return margins.tolist()


def move_arm(group: str, target: Category = "numerical") -> str:
    return f"{group} heads, format mass to {target} tokens"


def masks(
    groups: Mapping[str, Sequence[int]], *, strengths: Sequence[float] = STRENGTHS, category: Category = "format"
) -> dict[str, Edit]:
    """Returns the edits of experiment 5.2: a mask weakens the columns of one category. `mask_arm` names the arms."""
    return {
        mask_arm(group, strength, category): InHeads(Mask(strength, category), tuple(heads))
        for group, heads in groups.items()
        for strength in strengths
    }


def mask_arm(group: str, strength: float, category: Category = "format") -> str:
    return f"{group} heads, {category} tokens masked by {strength:.0%}"


def random_groups(n_heads: int, size: int, count: int, seed: int) -> dict[str, tuple[int, ...]]:
    """Returns `count` random groups of `size` heads by name, drawn from all heads."""
    rng = np.random.default_rng(seed)
    drawn = (sorted(rng.choice(n_heads, size, replace=False).tolist()) for _ in range(count))
    return {f"{RANDOM} {i + 1}": tuple(heads) for i, heads in enumerate(drawn)}


def outcomes(table: pd.DataFrame, arm: str, score: str = "right") -> pd.Series:
    """Returns True for each prompt that is right under an arm; index (pair, order, format).

    The `score` "right" uses the margin. The `score` "top_answer" uses the most likely next token.
    """
    chosen = table[table["arm"] == arm].set_index(PROMPT)
    return chosen["right"] if score == "right" else chosen["top_answer"] == "right"


def shifts(table: pd.DataFrame, arm: str) -> pd.Series:
    """Returns the margin under an arm minus the unedited margin, in logits; index (pair, order, format)."""
    margins = table.set_index(["arm", *PROMPT])["margin_logits"]
    return margins[arm] - margins[UNEDITED]
