"""The order in which a reader finds the claims of a report."""

from __future__ import annotations

from collections.abc import Iterable

from referee.judging.verdict import Verdict
from reports.models import ClaimEntry, Report, Theory

WORST_FIRST = (
    Verdict.ERROR,
    Verdict.REFUTED,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_APPLICABLE,
    Verdict.SUPPORTED,
)


def worst_first(claims: Iterable[ClaimEntry]) -> list[ClaimEntry]:
    """Returns the claims with the worst verdicts first."""
    return sorted(claims, key=lambda claim: (WORST_FIRST.index(claim.verdict), claim.id))


def of_theory(report: Report, theory: Theory) -> list[ClaimEntry]:
    """Returns the claims of a theory, with the worst verdicts first."""
    return worst_first(claim for claim in report.claims if claim.theory == theory.folder)
