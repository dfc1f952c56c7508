"""Compares reports: verdicts, intervals and provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from referee.errors import OtherTheory
from reports import words
from reports.models import ClaimEntry, Estimate, Report
from reports.sections import Section


def require_same_theories(reports: Sequence[Report]) -> None:
    """Raises OtherTheory if two reports have different digests for a theory of the same folder."""
    first: dict[str, str] = {}
    for report in reports:
        for theory in report.theories:
            if first.setdefault(theory.folder, theory.digest) != theory.digest:
                raise OtherTheory(
                    "Reports can be compared if they judge the same theory",
                    f"digests {first[theory.folder]} and {theory.digest} of {theory.folder}",
                    "Give --allow-other-theory to compare claims with the same ids.",
                )


def claims_in_both(before: Report, after: Report) -> list[tuple[ClaimEntry, ClaimEntry]]:
    """Returns the entries of each claim that both reports have, in the order of the first."""
    others = {(claim.theory, claim.id): claim for claim in after.claims}
    return [(claim, others[key]) for claim in before.claims if (key := (claim.theory, claim.id)) in others]


def claims_in_one(before: Report, after: Report) -> list[tuple[str, str]]:
    """Returns the id of each claim that only one report has, with "only in the first" or "only in the second"."""
    first, second = ({(claim.theory, claim.id) for claim in report.claims} for report in (before, after))
    found = [(id, "only in the first") for _, id in sorted(first - second)]
    return found + [(id, "only in the second") for _, id in sorted(second - first)]


def verdict_changes(before: Report, after: Report) -> list[tuple[str, ...]]:
    """Returns one row for each claim and each headline whose verdicts differ: id, both verdicts, both estimates."""
    rows: list[tuple[str, ...]] = [
        (old.id, old.verdict.value, new.verdict.value, numbers(old.estimate), numbers(new.estimate), old.statement)
        for old, new in claims_in_both(before, after)
        if old.verdict is not new.verdict
    ]
    others = {(headline.theory, headline.number): headline for headline in after.headlines}
    for headline in before.headlines:
        other = others.get((headline.theory, headline.number))
        if other and other.verdict is not headline.verdict:
            verdicts = headline.verdict.value, other.verdict.value
            rows.append((f"headline {headline.number}", *verdicts, "–", "–", headline.statement))
    return rows


def numbers(estimate: Estimate | None) -> str:
    """Returns an estimate with its interval. Returns a dash if nothing was measured."""
    return words.interval(estimate) if estimate else "–"


def _shifts(before: Report, after: Report) -> list[tuple[str, ...]]:
    """Returns one row for each claim whose interval differs, with the largest shift first, in widths of intervals."""
    found = []
    for old, new in claims_in_both(before, after):
        one, other = old.estimate, new.estimate
        if one is None or other is None or one == other:
            continue
        shift, width = other.value - one.value, max(one.high - one.low, other.high - other.low)
        apart = "apart" if one.high < other.low or other.high < one.low else "overlap"
        row = (old.id, words.interval(one), words.interval(other), f"{shift:+.3g}", apart, f"{one.n} → {other.n}")
        found.append((abs(shift) / width if width else float("inf"), row))
    return [row for _, row in sorted(found, key=lambda ranked: -ranked[0])]


def provenance(report: Report) -> dict[str, str]:
    """Returns what a run depends on, as text by name."""
    git, subject = report.environment.git, report.subject
    facts: dict[str, Any] = {f"theory {theory.folder}": theory.digest for theory in report.theories}
    facts |= {f"subject: {name}": value for name, value in (subject.model_dump() if subject else {}).items()}
    facts |= {f"option --{name}": value for name, value in report.options.model_dump().items()}
    facts |= {"code": f"{git.commit[:12]}{', modified' if git.modified else ''}" if git else "no git checkout"}
    facts |= {"python": report.environment.python, "platform": report.environment.platform}
    facts |= {f"package {name}": value for name, value in report.environment.packages.items()}
    facts |= {"complete": "yes" if report.complete else "no"}
    return {name: "–" if value is None else str(value) for name, value in facts.items()}


def provenance_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Returns one row for each fact that differs: its name and both values."""
    names = [*before, *(name for name in after if name not in before)]
    rows = [(name, before.get(name, "–"), after.get(name, "–")) for name in names]
    return [row for row in rows if row[1] != row[2]]


def between(before: Report, after: Report) -> list[Section]:
    """Returns what differs between two reports: verdicts, claims that only one has, intervals and provenance."""
    both = len(claims_in_both(before, after))
    changed, shifted = verdict_changes(before, after), _shifts(before, after)
    columns = ("Claim", "First", "Second", "Estimate, first", "Estimate, second", "Statement")
    shift_columns = ("Claim", "First", "Second", "Shift", "Intervals", "n")
    only = claims_in_one(before, after)
    found = [
        Section(f"Verdicts that differ, of {both} claims in both", columns, tuple(changed), "All verdicts are equal."),
        Section("Intervals that differ, the largest shift first", shift_columns,
                tuple(shifted), "No interval of a claim in both differs."),
        Section("Provenance", ("What", "First", "Second"),
                tuple(provenance_changes(provenance(before), provenance(after))), "Everything is equal."),
    ]  # fmt: skip
    if only:
        found.insert(1, Section("Claims in one report only", ("Claim", "Where"), tuple(only)))
    return found
