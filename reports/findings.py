"""What a claim test found out: the record behind a terminal line, a report entry and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from bandwidth.errors import SelfCheckFailed
from bandwidth.verdict import Verdict, decide_all, hardest, p_value, pairs_to_settle

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from bandwidth.statistics import Estimate
    from claims.theory import Claim


@dataclass(frozen=True)
class Chance:
    """What the same quantity would be if the claim's cause were absent.

    Attributes:
        world: what is different there.
        value: the quantity there (a mean, or the 95th percentile where `p` is given); None if not measured.
        p: probability of a value at least as extreme as the estimate there.
        veto: whether a p above 0.05 keeps the claim from being SUPPORTED.
    """

    world: str
    value: float | None
    p: float | None = None
    veto: bool = False


@dataclass(frozen=True)
class Variant:
    """The same claim under another analysis choice; `verdict` is None where its threshold has no meaning."""

    name: str
    estimate: Estimate
    verdict: Verdict | None


@dataclass(frozen=True)
class Finding:
    """One claim, judged on one subject.

    Attributes:
        parts: what the claim says something about (formats, for "in every format"), each with its estimate.
        decisive: the part that decides, the hardest to satisfy; None when nothing was measured.
        reason: why, where the interval alone does not say it.
        by_order: the decisive part, for each order of the numbers alone.
        counterexample: one prompt for which the claim is false, with its value.
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
        """Everything that decides, in one line."""
        if self.estimate is None:
            return self.reason or ""
        e = self.estimate
        part = f"{self.decisive}: " if len(self.parts) > 1 else ""
        told = f"{part}{e.value:.3f} [{e.low:.3f}, {e.high:.3f}], claimed {self.claim.criterion}, n = {e.n} pairs"
        chance = next((f"{c.value:.3f} ({c.world})" for c in self.chance if c.value is not None), None)
        return "; ".join(filter(None, [told, chance and f"chance {chance}", self.reason]))


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
    """The finding for measured parts: intersection–union over them, then the vetoes of chance and of order.

    Args:
        parts: what the claim says something about, each with its estimate.
        max_p: a p of a vetoing chance world above this keeps the claim from being SUPPORTED.
        min_n: a variant of fewer pairs gets no verdict.
        orders: the parts again, for each order of the numbers alone; empty where there are no such prompts. A
            claim that holds in one order only is not SUPPORTED.
        variants: the parts again, by other analysis choices; those in `incomparable` get no verdict, their
            unit being another.
        described: the remaining fields of Finding.
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
    """Why chance explains the finding as well, if it does."""
    for world in finding.chance:
        if world.veto and world.p is not None and world.p > max_p:
            return f"not told from chance: p = {world.p:.3f} against {world.world}"
    return None


def _one_sided(claim: Claim, orders: dict[str, dict[str, Estimate]]) -> str | None:
    """In which order alone a claim holds, if it does."""
    for order, found in orders.items():
        if not found:
            return f"no such prompt has the {order}: shown in one order only"
        if not all(claim.criterion.admits(estimate.value) for estimate in found.values()):
            return f"does not hold where the {order}: shown in one order only"
    return None


def holm_adjusted(findings: Sequence[Finding], family: int) -> dict[str, float]:
    """p of every judged headline claim against "not as claimed", adjusted for the whole family (Holm 1979); by id.

    Of a claim in several parts the largest p counts; headline claims that are not judged here count as p = 1.
    """
    from bandwidth.statistics import holm

    judged_ones = [f for f in findings if f.claim.headline and f.parts]
    p = [max(p_value(f.claim.criterion, part) for part in f.parts.values()) for f in judged_ones]
    absent = [1.0] * (family - len(p))
    return {f.claim.id: adjusted for f, adjusted in zip(judged_ones, holm([*p, *absent]), strict=False)}


def _variant(name: str, claim: Claim, parts: dict[str, Estimate], *, comparable: bool) -> Variant:
    verdict = decide_all(claim.criterion, list(parts.values())) if comparable else None
    return Variant(name, parts[hardest(claim.criterion, parts)], verdict)
