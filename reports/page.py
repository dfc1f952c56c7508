"""Makes the self-contained page of a report from the content of report.json, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import jinja2

from referee.judging.verdict import Verdict
from reports import words
from reports.models import ClaimEntry, Report
from reports.ordering import WORST_FIRST, worst_first
from reports.reading import read


def render(folder: Path) -> Path:
    """Writes index.html from the report.json of the folder. Returns the path of index.html."""
    page = folder / "index.html"
    page.write_text(html(read(folder / "report.json")), encoding="utf-8")
    return page


def html(report: Report) -> str:
    """Returns the page of a report. Equal reports give equal pages."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = words.number
    environment.filters["rate"] = lambda counts: f"{counts[0] / counts[1]:.1%} of {counts[1]}"
    environment.filters["slug"] = lambda verdict: verdict.lower().replace(" ", "-")
    claims = worst_first(report.claims)
    known = [theory for theory in report.theories if theory.known]
    on_trial = [theory for theory in report.theories if not theory.known]
    known_claims = [claim for claim in report.claims if claim.theory in {theory.folder for theory in known}]
    counted = [claim for claim in claims if claim.theory in {theory.folder for theory in on_trial or known}]
    return environment.get_template("page.html.jinja").render(
        report=report,
        title=" and ".join(theory.name for theory in on_trial or known),
        theories=[*on_trial, *known],
        on_trial=on_trial,
        known_claims=known_claims,
        found=words.found({claim.id: claim.verdict for claim in known_claims}),
        claims=claims,
        by_id={claim.id: claim for claim in claims},
        counts={verdict: sum(c.verdict == verdict for c in counted) for verdict in WORST_FIRST},
        passed=Verdict.SUPPORTED,
        words=words,
        scales={c.id: scale(c) for c in claims if c.estimate},
    )


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
