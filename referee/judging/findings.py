"""Judges a claim from its evidence. Terminal lines and report entries are made from the finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING

from referee.errors import SelfCheckFailed
from referee.judging.verdict import Verdict, decide_all, hardest, p_value, units_to_settle

if TYPE_CHECKING:
    from referee.judging.claims import Claim, Theory
    from referee.judging.evidence import Evidence, Parts
    from referee.judging.statistics import Estimate


@dataclass(frozen=True)
class Variant:
    """The same claim under another analysis choice. `verdict` is None if the claim's threshold does not apply."""

    name: str
    estimate: Estimate
    verdict: Verdict | None


@dataclass(frozen=True)
class Finding:
    """The verdict on one claim for one subject.

    Attributes:
        reason: the reason for the verdict, if the interval alone does not explain it.
        evidence: None if nothing was measured.
        decisive: the name of the part that decides. It is the part that is hardest to satisfy.
        variants: the results under other analysis choices.
        by_stratum: the estimate of the hardest part in each stratum.
        unit: what `n` counts, in the plural.
    """

    claim: Claim
    verdict: Verdict
    reason: str | None = None
    evidence: Evidence | None = None
    decisive: str | None = None
    variants: tuple[Variant, ...] = ()
    by_stratum: Mapping[str, Estimate] = field(default_factory=dict)
    unit: str = "units"

    @property
    def parts(self) -> Parts:
        return self.evidence.estimate.parts if self.evidence else {}

    @property
    def estimate(self) -> Estimate | None:
        return self.parts[self.decisive] if self.decisive else None

    @property
    def chance(self) -> float | None:
        """The first measured value of a chance world."""
        worlds = self.evidence.against if self.evidence else ()
        return next((world.value for world in worlds if world.value is not None), None)

    @property
    def line(self) -> str:
        """All facts that decide the verdict, in one line."""
        if self.estimate is None or self.evidence is None:
            return self.reason or ""
        e = self.estimate
        part = f"{self.decisive}: " if len(self.parts) > 1 else ""
        text = f"{part}{e.value:.3f} [{e.low:.3f}, {e.high:.3f}], claimed {self.claim.criterion}, n = {e.n} {self.unit}"
        worlds = [f"chance {c.value:.3f} ({c.world})" for c in self.evidence.against if c.value is not None]
        return "; ".join(filter(None, [text, *worlds[:1], self.reason]))


def judged(claim: Claim, evidence: Evidence, theory: Theory) -> Finding:
    """Judge a claim.

    The verdict is an intersection–union test over the parts. Then a chance world with a veto, or a stratum in which
    the claim is not true, can prevent the verdict SUPPORTED.

    Raises SelfCheckFailed if an estimate or a value of a chance world is not finite.
    """
    parts, by_stratum = evidence.estimate.parts, evidence.estimate.by_stratum
    if not parts:
        raise ValueError(f"The evidence on claim {claim.id} must have at least one estimate")
    verdict = decide_all(claim.criterion, list(parts.values()))
    decisive = hardest(claim.criterion, parts)
    finding = Finding(
        claim,
        verdict,
        evidence=evidence,
        decisive=decisive,
        variants=tuple(_variants(claim, evidence, theory.fewest_units)),
        by_stratum={name: found[hardest(claim.criterion, found)] for name, found in by_stratum.items() if found},
        unit=theory.unit,
    )
    _require_finite(finding)
    if verdict is Verdict.SUPPORTED:
        reason = _chance_explains(evidence, 1 - theory.confidence) or _not_everywhere(claim, by_stratum, theory.stratum)
        return replace(finding, verdict=Verdict.INCONCLUSIVE, reason=reason) if reason else finding
    if verdict is Verdict.INCONCLUSIVE:
        needed = units_to_settle(claim.criterion, parts[decisive])
        return replace(finding, reason=f"{f'about {needed}' if needed else 'more'} {theory.unit} would"
                       f"{'' if needed else ' not'} settle it")  # fmt: skip
    return finding


def _variants(claim: Claim, evidence: Evidence, fewest: int) -> list[Variant]:
    """Return the results under other analysis choices. A variant of too few units gets no verdict."""
    found = []
    for name, parts in evidence.variants.items():
        if parts:
            comparable = name not in evidence.incomparable and min(e.n for e in parts.values()) >= fewest
            verdict = decide_all(claim.criterion, list(parts.values())) if comparable else None
            found.append(Variant(name, parts[hardest(claim.criterion, parts)], verdict))
    return found


def _require_finite(finding: Finding) -> None:
    """Raise SelfCheckFailed if an estimate or a value of a chance world is not finite."""
    remedy = f"Report claim {finding.claim.id}."
    for e in [*finding.parts.values(), *finding.by_stratum.values(), *(v.estimate for v in finding.variants)]:
        if not all(map(isfinite, (e.value, e.low, e.high))):
            raise SelfCheckFailed("Every estimate must be finite", f"{e}", remedy)
    for world in finding.evidence.against if finding.evidence else ():
        if not all(map(isfinite, filter(None, (world.value, world.p)))):
            raise SelfCheckFailed("Every value of a chance world must be finite", f"{world}", remedy)


def _chance_explains(evidence: Evidence, largest_p: float) -> str | None:
    """Return the reason if chance explains the finding as well. Otherwise return None."""
    for world in evidence.against:
        if world.veto and world.p is not None and world.p > largest_p:
            return f"not distinguished from chance: p = {world.p:.3f} against {world.world}"
    return None


def _not_everywhere(claim: Claim, by_stratum: Mapping[str, Parts], stratum: str) -> str | None:
    """Return the reason if the claim is not true in each stratum. Otherwise return None."""
    for name, found in by_stratum.items():
        if not found:
            return f"not shown for each {stratum}: there is no case of “{name}”"
        if not all(claim.criterion.admits(estimate.value) for estimate in found.values()):
            return f"not true for each {stratum}: it is not true for “{name}”"
    return None


def holm_adjusted(findings: Sequence[Finding], family: int) -> dict[str, float]:
    """Return p for every judged headline claim, by id, adjusted for the whole family (Holm 1979).

    The null hypothesis is "not as claimed". A claim in several parts uses its largest p. `family` is the number of all
    headline claims. Headline claims that were not judged count as p = 1.
    """
    from referee.judging.statistics import holm

    judged_ones = [f for f in findings if f.claim.headline and f.parts]
    p = [max(p_value(f.claim.criterion, part) for part in f.parts.values()) for f in judged_ones]
    absent = [1.0] * (family - len(p))
    return {f.claim.id: adjusted for f, adjusted in zip(judged_ones, holm([*p, *absent]), strict=False)}
