"""The result of a claim test. Terminal lines, report entries and figures are made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from referee.errors import SelfCheckFailed
from referee.judging.verdict import Verdict, decide_all, hardest, p_value, pairs_to_settle

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from claims.competition.theory import Claim
    from referee.judging.statistics import Estimate


@dataclass(frozen=True)
class Chance:
    """The value of the same quantity in a chance world. In a chance world, the cause in the claim is absent.

    Attributes:
        world: description of the difference.
        value: the quantity in this world. In tests of parity it is the 95th percentile, else a mean. None if it was
            not measured.
        p: probability in this world of a value at least as extreme as the estimate.
        veto: True if a p above the limit (0.05) prevents the verdict SUPPORTED.
    """

    world: str
    value: float | None
    p: float | None = None
    veto: bool = False


@dataclass(frozen=True)
class Variant:
    """The same claim under another analysis choice. `verdict` is None if the threshold of the claim does not apply."""

    name: str
    estimate: Estimate
    verdict: Verdict | None


@dataclass(frozen=True)
class Finding:
    """The verdict on one claim for one subject, with the evidence.

    Attributes:
        parts: estimates of all parts of the claim, by name. For "in every format", each format is one part.
        decisive: name of the part that decides. It is the part that is hardest to satisfy. None if nothing was
            measured.
        reason: reason for the verdict, if the interval alone does not explain it.
        by_order: the estimate of the hardest part for each order of the numbers.
        counterexample: one prompt that contradicts the claim, with its value.
        notes: further facts for the reader.
    """

    claim: Claim
    verdict: Verdict
    parts: dict[str, Estimate] = field(default_factory=dict)
    decisive: str | None = None
    reason: str | None = None
    chance: tuple[Chance, ...] = ()
    variants: tuple[Variant, ...] = ()
    by_order: dict[str, Estimate] = field(default_factory=dict)
    counterexample: str | None = None
    notes: tuple[str, ...] = ()
    figure: Figure | None = None
    alt: str = ""
    data: pd.DataFrame | None = None

    @property
    def estimate(self) -> Estimate | None:
        return self.parts[self.decisive] if self.decisive else None

    @property
    def line(self) -> str:
        """All facts that decide the verdict, in one line."""
        if self.estimate is None:
            return self.reason or ""
        e = self.estimate
        part = f"{self.decisive}: " if len(self.parts) > 1 else ""
        text = f"{part}{e.value:.3f} [{e.low:.3f}, {e.high:.3f}], claimed {self.claim.criterion}, n = {e.n} pairs"
        chance = next((f"{c.value:.3f} ({c.world})" for c in self.chance if c.value is not None), None)
        return "; ".join(filter(None, [text, chance and f"chance {chance}", self.reason]))


def judged(
    claim: Claim,
    *,
    parts: dict[str, Estimate],
    max_p: float,
    min_n: int = 1,
    orders: dict[str, dict[str, Estimate]] | None = None,
    variants: dict[str, dict[str, Estimate]] | None = None,
    incomparable: Sequence[str] = (),
    **described: Any,
) -> Finding:
    """Judges a claim and returns the finding.

    The verdict is an intersection–union test over the parts. Then the vetoes of chance and of order are applied.

    Args:
        parts: estimates of all parts of the claim, by name.
        max_p: largest p of a chance world with a veto. A larger p prevents the verdict SUPPORTED.
        min_n: smallest number of pairs of a variant with a verdict.
        orders: the parts for each order of the numbers. They are empty if an order has no prompts. A claim that
            is true in only one order is not SUPPORTED.
        variants: the parts under other analysis choices, by name.
        incomparable: names of variants that get no verdict, because their unit is different.
        described: the other fields of Finding.

    Raises:
        SelfCheckFailed: if an estimate or a value of a chance world is not finite.
    """
    decisive = hardest(claim.criterion, parts)
    others = tuple(
        _variant(name, claim, found, comparable=name not in incomparable and min(e.n for e in found.values()) >= min_n)
        for name, found in (variants or {}).items()
        if found
    )
    verdict = decide_all(claim.criterion, list(parts.values()))
    orders = orders or {}
    by_order = {order: found[hardest(claim.criterion, found)] for order, found in orders.items() if found}
    finding = Finding(claim, verdict, parts, decisive, variants=others, by_order=by_order, **described)
    for estimate in [*parts.values(), *by_order.values(), *(v.estimate for v in others)]:
        if not all(map(isfinite, (estimate.value, estimate.low, estimate.high))):
            raise SelfCheckFailed("Every estimate must be finite", f"{estimate}", f"Report claim {claim.id}.")
    for world in finding.chance:
        if not all(map(isfinite, filter(None, (world.value, world.p)))):
            raise SelfCheckFailed("What chance gives must be finite", f"{world}", f"Report claim {claim.id}.")
    if verdict is Verdict.SUPPORTED and (reason := _unlucky(finding, max_p) or _one_sided(claim, orders)):
        return replace(finding, verdict=Verdict.INCONCLUSIVE, reason=reason)
    if verdict is Verdict.INCONCLUSIVE:
        needed = pairs_to_settle(claim.criterion, parts[decisive])
        reason = f"about {needed} pairs would settle it" if needed else "more pairs would not settle it"
        return replace(finding, reason=reason)
    return finding


def _unlucky(finding: Finding, max_p: float) -> str | None:
    """Returns the reason if chance explains the finding as well. Else returns None."""
    for world in finding.chance:
        if world.veto and world.p is not None and world.p > max_p:
            return f"not told from chance: p = {world.p:.3f} against {world.world}"
    return None


def _one_sided(claim: Claim, orders: dict[str, dict[str, Estimate]]) -> str | None:
    """Returns the reason if the claim is not true in each order of the numbers. Else returns None."""
    for order, found in orders.items():
        if not found:
            return f"no such prompt has the {order}: shown in one order only"
        if not all(claim.criterion.admits(estimate.value) for estimate in found.values()):
            return f"does not hold where the {order}: shown in one order only"
    return None


def holm_adjusted(findings: Sequence[Finding], family: int) -> dict[str, float]:
    """Returns p for every judged headline claim, by id, adjusted for the whole family (Holm 1979).

    The null hypothesis is "not as claimed". A claim in several parts uses its largest p. `family` is the number of all
    headline claims. Headline claims that were not judged count as p = 1.
    """
    from referee.judging.statistics import holm

    judged_ones = [f for f in findings if f.claim.headline and f.parts]
    p = [max(p_value(f.claim.criterion, part) for part in f.parts.values()) for f in judged_ones]
    absent = [1.0] * (family - len(p))
    return {f.claim.id: adjusted for f, adjusted in zip(judged_ones, holm([*p, *absent]), strict=False)}


def _variant(name: str, claim: Claim, parts: dict[str, Estimate], *, comparable: bool) -> Variant:
    verdict = decide_all(claim.criterion, list(parts.values())) if comparable else None
    return Variant(name, parts[hardest(claim.criterion, parts)], verdict)
