"""Judges a claim from its evidence, and a headline from its claims.

Terminal lines and report entries are made from the findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING

from referee.errors import SelfCheckFailed
from referee.judging.evidence import chance_world
from referee.judging.verdict import Verdict, decide, decide_all, hardest, p_value, tied_at_the_bound, what_would_settle

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
        by_intervals: the verdict of the intervals alone, before chance, rivals and strata. The other analysis choices
            have no such comparisons, so they are compared with this one.
    """

    claim: Claim
    verdict: Verdict
    reason: str | None = None
    evidence: Evidence | None = None
    decisive: str | None = None
    variants: tuple[Variant, ...] = ()
    by_stratum: Mapping[str, Estimate] = field(default_factory=dict)
    unit: str = "units"
    by_intervals: Verdict | None = None

    @property
    def parts(self) -> Parts:
        return self.evidence.estimate.parts if self.evidence else {}

    @property
    def estimate(self) -> Estimate | None:
        return self.parts[self.decisive] if self.decisive else None

    @property
    def chance(self) -> float | None:
        """The first measured value of a chance world."""
        world = chance_world(self.evidence.against) if self.evidence else None
        return world.value if world else None

    @property
    def line(self) -> str:
        """All facts that decide the verdict, in one line."""
        if self.estimate is None or self.evidence is None:
            return self.reason or ""
        e = self.estimate
        part = f"{self.decisive}: " if len(self.parts) > 1 else ""
        text = f"{part}{e.value:.3f} [{e.low:.3f}, {e.high:.3f}], claimed {self.claim.criterion}, n = {e.n} {self.unit}"
        world = chance_world(self.evidence.against)
        chance = f"chance {world.value:.3f} ({world.world})" if world else None
        return "; ".join(filter(None, [text, chance, self.reason]))

    @property
    def agreeing(self) -> tuple[int, int] | None:
        """The number of variants with the same verdict, and the number of variants with a verdict."""
        verdicts = [variant.verdict for variant in self.variants if variant.verdict]
        return (verdicts.count(self.by_intervals), len(verdicts)) if self.by_intervals and verdicts else None

    @property
    def fragile(self) -> bool:
        """True if another analysis choice gives the opposite verdict: SUPPORTED against REFUTED."""
        opposite = {Verdict.SUPPORTED: Verdict.REFUTED, Verdict.REFUTED: Verdict.SUPPORTED}
        return any(variant.verdict and opposite.get(variant.verdict) is self.by_intervals for variant in self.variants)

    def layer_rank(self, layer: int) -> tuple[int, int] | None:
        """The rank of a layer among all layers, and their number. Rank 1 meets the claim best.

        None if the other layers were not measured.
        """
        if not self._rooms:
            return None
        return 1 + sum(room > self._rooms[layer] for room in self._rooms.values()), len(self._rooms)

    @property
    def layers_meeting(self) -> tuple[int, int] | None:
        """The number of layers whose value meets the criterion, and the number of layers."""
        values = self.evidence.by_layer.values() if self.evidence else ()
        return (sum(map(self.claim.criterion.admits, values)), len(values)) if values else None

    @property
    def _rooms(self) -> dict[int, float]:
        by_layer = self.evidence.by_layer if self.evidence else {}
        return {layer: self.claim.criterion.room(value) for layer, value in by_layer.items()}


def judged(claim: Claim, evidence: Evidence, theory: Theory) -> Finding:
    """Judge a claim.

    Fewer units than the theory requires give INCONCLUSIVE. Else the verdict comes from the intervals of the parts. A
    chance world with a veto, a rival, or a stratum that excludes the claim by its own interval prevents SUPPORTED.

    Raises SelfCheckFailed if an estimate or a value of a chance world is not finite.
    """
    parts, by_stratum = evidence.estimate.parts, evidence.estimate.by_stratum
    if not parts:
        raise ValueError(f"The evidence on claim {claim.id} must have at least one estimate")
    decisive, by_intervals = hardest(claim.criterion, parts), decide_all(claim.criterion, list(parts.values()))
    finding = Finding(
        claim,
        by_intervals,
        evidence=evidence,
        decisive=decisive,
        variants=tuple(_variants(claim, evidence, theory.fewest_units)),
        by_stratum={name: found[hardest(claim.criterion, found)] for name, found in by_stratum.items() if found},
        unit=evidence.unit or theory.unit,
        by_intervals=by_intervals,
    )
    _require_finite(finding)
    if reason := _too_little(finding, theory.fewest_units):
        return replace(finding, verdict=Verdict.INCONCLUSIVE, reason=reason)
    if finding.verdict is Verdict.SUPPORTED:
        reason = _explained(evidence, 1 - theory.confidence) or _excluded_in_a_stratum(claim, by_stratum, theory)
        return replace(finding, verdict=Verdict.INCONCLUSIVE, reason=reason) if reason else finding
    if finding.verdict is Verdict.INCONCLUSIVE:
        if decide(claim.criterion, parts[decisive]) is Verdict.REFUTED:
            return replace(finding, reason=f"this part would be refuted alone, but not as one of {len(parts)}")
        explained = _explained(evidence, 1 - theory.confidence)
        settled = what_would_settle(claim.criterion, parts[decisive], finding.unit)
        return replace(finding, reason="; ".join(filter(None, [settled, explained])))
    return finding


def _too_little(finding: Finding, fewest: int) -> str | None:
    """Return the reason if an estimate on which the verdict rests cannot bear it: too few units, or tied values."""
    criterion, parts = finding.claim.criterion, finding.parts
    reasons = []
    for name, estimate in parts.items():
        part = f"{name}: " if len(parts) > 1 else ""
        refutes = decide(criterion, estimate, parts=len(parts)) is Verdict.REFUTED
        if finding.verdict is Verdict.REFUTED and not refutes:
            continue
        if estimate.n < fewest:
            reasons.append(f"{part}only {estimate.n} {finding.unit}; a verdict needs {fewest}")
        elif tied_at_the_bound(criterion, estimate):
            reasons.append(f"{part}most of the {finding.unit} have the same value, and it is the threshold")
        elif refutes:
            return None  # one part with enough units refutes the claim
    return reasons[0] if reasons else None


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


def _explained(evidence: Evidence, largest_p: float) -> str | None:
    """Return the reason if a chance world or a rival explains the finding as well. Otherwise return None."""
    for world in evidence.against:
        if world.explains:
            return f"a rival explains it as well: {world.world}"
        if world.veto and world.p is not None and world.p > largest_p:
            return f"not distinguished from chance: p = {world.p:.3f} against {world.world}"
    return None


def _excluded_in_a_stratum(claim: Claim, by_stratum: Mapping[str, Parts], theory: Theory) -> str | None:
    """Return the reason if the interval of a stratum with enough units excludes the claim. Otherwise return None."""
    for name, found in by_stratum.items():
        enough = [estimate for estimate in found.values() if estimate.n >= theory.fewest_units]
        if decide_all(claim.criterion, enough) is Verdict.REFUTED:
            return f"not true for each {theory.stratum or 'stratum'}: it is refuted for “{name}”"
    return None


@dataclass(frozen=True)
class HeadlineFinding:
    """The verdict on one headline: the intersection of its claims.

    Attributes:
        number: the number of the headline.
        statement: the sentence.
        reason: the reason for the verdict, if the claims alone do not explain it.
        parts: the findings of its claims.
        decisive: the finding that decides. None if a claim was not judged.
        p: p-value of the null hypothesis "a claim is not true", adjusted for all headlines (Holm 1979). None if a claim
            was not judged.
    """

    number: int
    statement: str
    verdict: Verdict
    parts: tuple[Finding, ...]
    reason: str | None = None
    decisive: Finding | None = None
    p: float | None = None


def headline_findings(findings: Sequence[Finding], theory: Theory) -> tuple[HeadlineFinding, ...]:
    """Judge each headline whose claims all have a finding.

    A headline is SUPPORTED if each of its claims is, and if its adjusted p is at most 1 − confidence. It is REFUTED if
    one of its claims is, at a level that is simultaneous for all parts of all its claims. The family of Holm's
    adjustment is all headlines of the theory. One that was not judged counts as p = 1.
    """
    from referee.judging.statistics import holm

    p: dict[int, float] = {}
    members: dict[int, tuple[Finding, ...]] = {}
    for number in theory.headlines:
        ids = {claim.id for claim in theory.claims if claim.headline == number}
        found = tuple(finding for finding in findings if finding.claim.id in ids)
        if len(found) == len(ids):
            members[number] = found
            p[number] = max(map(_p, found))
    adjusted = dict(zip(p, holm([*p.values(), *[1.0] * (len(theory.headlines) - len(p))]), strict=False))
    return tuple(_headline(number, members[number], adjusted[number], theory) for number in members)


def _headline(number: int, parts: tuple[Finding, ...], p: float, theory: Theory) -> HeadlineFinding:
    ranks = (Verdict.ERROR, Verdict.REFUTED, Verdict.NOT_APPLICABLE, Verdict.INCONCLUSIVE, Verdict.SUPPORTED)
    decisive = min(parts, key=lambda finding: (ranks.index(finding.verdict), -_p(finding)))
    verdict, reason = decisive.verdict, f"{decisive.claim.id}: {decisive.reason}" if decisive.reason else None
    judged_ones = all(finding.parts for finding in parts)
    if verdict is Verdict.REFUTED:
        count = sum(len(finding.parts) for finding in parts)
        refuting = [finding for finding in parts if finding.verdict is verdict and _refutes(finding, among=count)]
        if refuting:
            decisive, reason = refuting[0], None
        else:
            verdict, reason = (
                Verdict.INCONCLUSIVE,
                f"{decisive.claim.id} is REFUTED by itself, but not as one of {count} parts",
            )
    if verdict is Verdict.SUPPORTED and p > 1 - theory.confidence:
        verdict, reason = Verdict.INCONCLUSIVE, f"p = {p:.3f} after the adjustment for all headlines"
    return HeadlineFinding(
        number,
        theory.headlines[number],
        verdict,
        parts,
        reason,
        decisive if decisive.estimate else None,
        p if judged_ones else None,
    )


def _p(finding: Finding) -> float:
    """Return the largest p-value of the parts of a claim and of its vetoes. It is 1 for a claim that was not judged."""
    if finding.evidence is None:
        return 1.0
    vetoes = [world.p for world in finding.evidence.against if world.veto and world.p is not None]
    return max(vetoes + [p_value(finding.claim.criterion, estimate) for estimate in finding.parts.values()])


def _refutes(finding: Finding, *, among: int) -> bool:
    """Return whether a claim is refuted by intervals that are simultaneous for so many parts."""
    verdict = decide_all(finding.claim.criterion, list(finding.parts.values()), parts=among)
    return verdict is Verdict.REFUTED
