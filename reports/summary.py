"""Makes summary.md: the verdicts of a report in Markdown, for the summary of a CI job."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from referee.judging.verdict import Verdict
from reports import words
from reports.models import ClaimEntry, Report, Theory
from reports.ordering import WORST_FIRST, of_theory

_LONGEST = 300
"""Largest number of characters of a text in the summary. A model's name may have any length."""


def summary(report: Report) -> str:
    """Returns the summary of a report. Equal reports give equal summaries."""
    known = [theory for theory in report.theories if theory.known]
    on_trial = [theory for theory in report.theories if not theory.known]
    lines = [f"# {plain(' and '.join(theory.name for theory in on_trial or known))} on {plain(report.options.model)}"]
    lines += ["", " · ".join(_counts(report, on_trial or known)), "", *_facts(report, known)]
    for theory in [*on_trial, *known]:
        lines += [*_headlines(report, theory), *_claims(report, theory)]
    return "\n".join([*lines, "", *_provenance(report), ""])


def plain(text: str) -> str:
    """Returns a text in one line that Markdown and HTML show as it is."""
    line = "".join(char if char.isprintable() else " " for char in text)
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return re.sub(r"([\\`*_\[\]|#~@])", r"\\\1", html.escape(line, quote=False))


def _counts(report: Report, theories: list[Theory]) -> list[str]:
    folders = {theory.folder for theory in theories}
    verdicts = [claim.verdict for claim in report.claims if claim.theory in folders]
    return [f"**{verdicts.count(v)} {v}** {v.sign}" for v in WORST_FIRST if v in verdicts]


def _facts(report: Report, known: list[Theory]) -> list[str]:
    """Returns a list of what a reader must know before the tables."""
    folders = {theory.folder for theory in known}
    found = words.found({claim.id: claim.verdict for claim in report.claims if claim.theory in folders})
    facts = [] if report.complete else ["**The run is incomplete.** It ended before every claim was judged."]
    facts += [plain(theory.phenomenon) for theory in report.theories if theory.phenomenon and not theory.known]
    facts += [f"{words.FOUND}: **{found}**"] if found else []
    if report.registration:
        facts.append(plain(words.registration(report.registration)))
        facts += [f"changed: {plain(change)}" for change in report.registration.changed]
    return [f"- {fact}" for fact in facts]


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Returns a table whose cells are plain text."""
    lines = [columns, tuple("---" for _ in columns), *(tuple(map(plain, row)) for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _headlines(report: Report, theory: Theory) -> list[str]:
    by_id = {claim.id: claim for claim in report.claims}
    rows = []
    for headline in report.headlines:
        if headline.theory == theory.folder:
            decides = by_id.get(headline.decisive or "")
            rows.append((_verdict(headline.verdict), headline.statement, headline.decisive or "–", *_numbers(decides)))
    columns = ("Verdict", "Headline", "Decided by", "Estimate and interval", "Claimed", "n")
    return ["", f"## Headlines of {plain(theory.name)}", "", *_table(columns, rows)] if rows else []


def _claims(report: Report, theory: Theory) -> list[str]:
    claims = of_theory(report, theory)
    rows = [
        (_verdict(claim.verdict), f"{claim.id} {claim.statement}", *_numbers(claim), claim.reason or "")
        for claim in claims
    ]
    columns = ("Verdict", "Claim", "Estimate and interval", "Claimed", "n", "Reason")
    return ["", f"## Claims of {plain(theory.name)}", "", *_table(columns, rows)] if rows else []


def _verdict(verdict: Verdict) -> str:
    return f"{verdict.sign} {verdict}"


def _numbers(claim: ClaimEntry | None) -> tuple[str, str, str]:
    """Returns the estimate, the criterion and the number of units of a claim. Returns dashes if it was not measured."""
    if claim is None or claim.estimate is None:
        return "–", claim.criterion.text if claim else "–", "–"
    return words.interval(claim.estimate), claim.criterion.text, f"{claim.estimate.n} {claim.unit}"


def _provenance(report: Report) -> list[str]:
    """Returns the lines with what another person needs to repeat the run."""
    subject, git = report.subject, report.environment.git
    facts = [plain(report.command)]
    if subject:
        facts.append(
            plain(
                f"{subject.name}, revision {subject.revision}, fingerprint {subject.fingerprint}, layer {subject.layer}"
                f" of {subject.n_layers}, {subject.dtype} on {subject.device}"
            )
        )
    facts += [plain(f"{theory.name}: digest {theory.digest}") for theory in report.theories]
    facts.append(f"code {git.commit[:12]}{', modified' if git.modified else ''}" if git else "code: no git checkout")
    return ["## Provenance", "", *(f"- {fact}" for fact in facts), f"- written {report.created}"]
