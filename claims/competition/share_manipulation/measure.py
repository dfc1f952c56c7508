"""Experiment 1.2: edits that set the numerical share of a group of heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from claims.competition.bandwidth_distribution.measure import mean_shares
from claims.competition.heads import even_heads, odd_heads, random_groups
from claims.competition.prompts import Category, Prompt
from referee.attention.edits import Edit, InHeads, SetShare, Together
from referee.measuring.session import Session
from referee.models.subjects import Subject

TARGETS = tuple(round(0.1 * step, 1) for step in range(1, 10))
"""Numerical shares that experiment 1.2 sets. Edits of all heads together use only COARSE_TARGETS."""
COARSE_TARGETS = TARGETS[::4]


def manipulation_arms(
    subject: Subject,
    group: Literal["even", "odd"],
    share: float,
    *,
    document: tuple[float, float],
    groups: int = 0,
    seed: int = 0,
) -> dict[str, Edit]:
    """Returns all arms of experiment 1.2 for a claim about one group at one share, with controls at that share.

    The first control sets the share of the group on tokens that are neither numbers nor format. The other controls
    use `groups` random groups of heads. `document` has the shares of `document_arm`.
    """
    heads = {
        "even": even_heads(subject),
        "odd": odd_heads(subject),
        "all": list(range(subject.n_heads)),
    }
    drawn = random_groups(subject.n_heads, len(heads[group]), groups, seed)
    return {
        **set_shares({name: heads[name] for name in ("even", "odd")}),
        **set_shares({"all": heads["all"]}, COARSE_TARGETS),
        **set_shares({group: heads[group]}, [share], "other"),
        **document_arm(subject, *document),
        **set_shares(drawn, [share]),
    }


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
    """Returns the name of an arm."""
    return f"{group} heads, {target:.0%} on {category} tokens"


def document_arm(subject: Subject, even: float, odd: float) -> dict[str, Edit]:
    """Returns one edit that sets the shares of the even heads and of the odd heads, as in the seed document."""
    edits = (
        InHeads(SetShare(even, "numerical"), tuple(even_heads(subject))),
        InHeads(SetShare(odd, "numerical"), tuple(odd_heads(subject))),
    )
    return {f"even heads at {even:.0%} and odd heads at {odd:.0%}": Together(edits)}


def even_shares(session: Session, prompts: Sequence[Prompt]) -> dict[tuple[str, str, str], float]:
    """Returns the unedited numerical share (all rows) of the even heads on each prompt, by (pair, order, format)."""
    shares = mean_shares(session, prompts, even_heads(session.subject))
    return {(str(p.pair), p.order, p.format.name): share for p, share in zip(prompts, shares, strict=True)}
