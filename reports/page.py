"""Writes one self-contained index.html from report.json and its figures."""

from __future__ import annotations

import base64
from pathlib import Path

import jinja2

from referee.judging.verdict import Verdict
from reports import words
from reports.models import ClaimEntry, Report

_WORST_FIRST = (
    Verdict.ERROR,
    Verdict.REFUTED,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_APPLICABLE,
    Verdict.SUPPORTED,
)


def render(folder: Path) -> Path:
    """Writes index.html from report.json and the figures of the folder. Returns the path of index.html."""
    report = Report.model_validate_json((folder / "report.json").read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = _number
    environment.filters["rate"] = lambda counts: f"{counts[0] / counts[1]:.1%} of {counts[1]}"
    environment.filters["slug"] = lambda verdict: verdict.lower().replace(" ", "-")
    claims = sorted(report.claims, key=lambda claim: (_WORST_FIRST.index(claim.verdict), claim.id))
    known = [theory for theory in report.theories if theory.known]
    on_trial = [theory for theory in report.theories if not theory.known]
    known_claims = [claim for claim in report.claims if claim.theory in {theory.folder for theory in known}]
    counted = [claim for claim in claims if claim.theory in {theory.folder for theory in on_trial or known}]
    html = environment.get_template("page.html.jinja").render(
        report=report,
        title=" and ".join(theory.name for theory in on_trial or known),
        theories=[*on_trial, *known],
        on_trial=on_trial,
        known_claims=known_claims,
        found=words.found({claim.id: claim.verdict for claim in known_claims}),
        claims=claims,
        by_id={claim.id: claim for claim in claims},
        counts={verdict: sum(c.verdict == verdict for c in counted) for verdict in _WORST_FIRST},
        passed=Verdict.SUPPORTED,
        words=words,
        figures={c.id: _inline(folder / c.figure.file) for c in claims if c.figure},
        scales={c.id: scale(c) for c in claims if c.estimate},
    )
    page = folder / "index.html"
    page.write_text(html, encoding="utf-8")
    return page


def scale(claim: ClaimEntry) -> dict[str, float | None]:
    """Returns positions on a small axis, in percent: interval, estimate, claimed range and chance.

    The claim must have an estimate.
    """
    criterion, estimate = claim.criterion, claim.estimate
    assert estimate is not None
    chance = next((world.value for world in claim.chance if world.value is not None and not world.explains), None)
    marks = [estimate.low, estimate.high, criterion.low, criterion.high, chance]
    known = [mark for mark in marks if mark is not None]
    low, high = min(0.0, *known), max(1.0, *known)

    def place(value: float | None) -> float | None:
        return None if value is None else round(100 * (value - low) / (high - low), 2)

    return {
        "axis_low": low,
        "axis_high": high,
        "low": place(estimate.low),
        "high": place(estimate.high),
        "value": place(estimate.value),
        "claimed_low": place(low if criterion.low is None else criterion.low),
        "claimed_high": place(high if criterion.high is None else criterion.high),
        "chance": place(chance),
    }


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"


def _inline(figure: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(figure.read_bytes()).decode()
