"""Makes the self-contained page of a report from the content of report.json, and from nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from referee.judging.evidence import chance_world
from referee.judging.verdict import Verdict
from reports import words
from reports.models import ClaimEntry, HeadlineEntry, Report
from reports.ordering import WORST_FIRST, experiments, of_theory
from reports.reading import read
from reports.scales import scale

_FOLDER = Path(__file__).parent
_STYLES = ("base.css", "page.css", "token_view.css")
_SCRIPTS = ("page.js", "token_view.js")
_BECAUSE = {
    Verdict.REFUTED: "It fails at",
    Verdict.INCONCLUSIVE: "It is undecided because of",
    Verdict.SUPPORTED: "Its weakest claim is",
}
"""The words before the claim that decides a headline, by the verdict on the headline."""


def render(folder: Path) -> Path:
    """Writes index.html from the report.json of the folder. Returns the path of index.html."""
    page = folder / "index.html"
    page.write_text(html(read(folder / "report.json")), encoding="utf-8")
    return page


def html(report: Report) -> str:
    """Returns the page of a report. Equal reports give equal pages."""
    known = [theory for theory in report.theories if theory.known]
    on_trial = [theory for theory in report.theories if not theory.known]
    known_claims = [claim for claim in report.claims if claim.theory in {theory.folder for theory in known}]
    claims = [claim for theory in on_trial or known for claim in of_theory(report, theory)]
    scripts = [(_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    return _environment().get_template("page.html.jinja").render(
        report=report,
        title=" and ".join(theory.name for theory in on_trial or known),
        theories=[*on_trial, *known],
        on_trial=on_trial,
        shown_first=on_trial or known,
        known_claims=known_claims,
        found=words.found({claim.id: claim.verdict for claim in known_claims}),
        experiments={theory.folder: experiments(report, theory) for theory in report.theories},
        by_id={claim.id: claim for claim in report.claims},
        counts=_counts(claims),
        all_counts=_counts(report.claims),
        scales={claim.id: scale(claim) for claim in report.claims if claim.estimate},
        styles=Markup("\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _STYLES)),
        scripts=[Markup(script) for script in scripts],
        script_sources=" ".join(map(_source, scripts)),
    )  # fmt: skip


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = words.number
    environment.filters["rate"] = lambda counts: f"{counts[0] / counts[1]:.1%} of {counts[1]}"
    environment.filters["slug"] = lambda verdict: verdict.lower().replace(" ", "-")
    environment.globals.update(
        words=words, because=_BECAUSE, chance_world=chance_world, in_short=in_short, opposed=opposed, Verdict=Verdict
    )
    return environment


def _source(script: str) -> str:
    """Returns the digest by which the page's security policy admits a script. It admits no other script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _counts(entries: Iterable[ClaimEntry | HeadlineEntry]) -> dict[Verdict, int]:
    """Returns how many entries have each verdict, the worst first, without verdicts that no entry has."""
    verdicts = [entry.verdict for entry in entries]
    return {verdict: verdicts.count(verdict) for verdict in WORST_FIRST if verdict in verdicts}


def in_short(headlines: Sequence[HeadlineEntry]) -> str:
    """Says in one sentence how many of the headlines have each verdict. There must be a headline."""
    counted = _counts(headlines)
    if list(counted) == [Verdict.ERROR] and len(headlines) > 1:
        return f"None of the {len(headlines)} headlines could be judged on this model."
    if len(counted) == 1:
        all_of_them = "The headline" if len(headlines) == 1 else f"All {len(headlines)} headlines"
        return f"{all_of_them} {_found(headlines[0].verdict, len(headlines))} on this model."
    *others, last = (f"{count} {_found(verdict, count)}" for verdict, count in counted.items())
    return f"Of {len(headlines)} headlines, {', '.join(others)} and {last} on this model."


def _found(verdict: Verdict, count: int) -> str:
    if verdict is Verdict.ERROR:
        return "could not be judged"
    return f"{'is' if count == 1 else 'are'} {verdict}"


def opposed(claim: ClaimEntry) -> list[str]:
    """Returns the names of the analysis choices that give the opposite of the verdict of the intervals alone.

    A comparison or a lack of units can make this verdict INCONCLUSIVE. Then the place of the interval decides.
    """
    if not claim.fragile or claim.estimate is None:
        return []
    low, high = claim.criterion.low, claim.criterion.high
    met = (low is None or low <= claim.estimate.low) and (high is None or claim.estimate.high <= high)
    opposite = Verdict.REFUTED if met else Verdict.SUPPORTED
    return [variant.name for variant in claim.variants if variant.verdict is opposite]
