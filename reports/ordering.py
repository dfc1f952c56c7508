"""The order in which a reader finds the claims of a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from referee.judging.verdict import Verdict
from reports.models import ClaimEntry, Report, Theory

WORST_FIRST = (
    Verdict.ERROR,
    Verdict.REFUTED,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_APPLICABLE,
    Verdict.SUPPORTED,
)


@dataclass(frozen=True)
class Experiment:
    """The claims of one experiment, with the worst verdicts first.

    Attributes:
        folder: the folder of its tests.
        title: its name in words.
        claims: the claims.
    """

    folder: str
    title: str
    claims: tuple[ClaimEntry, ...]

    @property
    def controls(self) -> tuple[ClaimEntry, ...]:
        """The claims that say what must not happen in this experiment."""
        return tuple(claim for claim in self.claims if claim.control)


def worst_first(claims: Iterable[ClaimEntry]) -> list[ClaimEntry]:
    """Returns the claims with the worst verdicts first."""
    return sorted(claims, key=lambda claim: (WORST_FIRST.index(claim.verdict), claim.id))


def of_theory(report: Report, theory: Theory) -> list[ClaimEntry]:
    """Returns the claims of a theory, with the worst verdicts first."""
    return worst_first(claim for claim in report.claims if claim.theory == theory.folder)


def experiments(report: Report, theory: Theory) -> list[Experiment]:
    """Returns the experiments of a theory. The experiment with the worst claim comes first."""
    groups: dict[str, list[ClaimEntry]] = {}
    for claim in of_theory(report, theory):
        groups.setdefault(PurePosixPath(claim.test.partition("::")[0]).parent.name, []).append(claim)
    return [
        Experiment(folder, folder.replace("_", " ").capitalize() or "Claims", tuple(claims))
        for folder, claims in groups.items()
    ]
