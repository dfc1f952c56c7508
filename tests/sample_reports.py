"""Findings and reports that the tests make without a model."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from referee.judging.claims import Claim, Theory
from referee.judging.evidence import Estimates, Evidence
from referee.judging.findings import Finding, HeadlineFinding, judged
from referee.judging.statistics import Estimate
from referee.judging.verdict import above
from reports import document, models

CLAIM = Claim("9.9a", "Numbers <win> & hold.", "share of wins", above(0.5), "nobody", headline=1)
THEORY = Theory(
    "A theory", (CLAIM,), unit="pairs", stratum="order of the numbers", headlines={1: "All <win>."}, fewest_units=10
)
KNOWN = replace(
    THEORY,
    name="Known Facts",
    claims=tuple(replace(CLAIM, id=f"K{n}", statement=f"Fact {n} is there.", headline=None) for n in range(1, 5)),
    headlines={},
    unit="sequences",
    stratum=None,
    known=True,
)
OTHER = replace(THEORY, name="Another theory", claims=(replace(CLAIM, id="O1", headline=None),), headlines={})
OF_THEORY = models.Theory(
    folder="a_theory",
    name="A theory",
    summary="Numbers win.",
    phenomenon="This model has <numbers>.",
    digest="abc",
    unit="pairs",
    stratum="order of the numbers",
    known=False,
)
GOOD, BAD, OPEN = Estimate(0.8, 0.7, 0.9, 20), Estimate(0.2, 0.1, 0.3, 20), Estimate(0.625, 0.375, 0.875, 20)


def found(
    estimate: Any = GOOD, *, claim: Claim = CLAIM, theory: Theory = THEORY, by_stratum: Any = None, **evidence: Any
) -> Finding:
    """Returns the finding on one estimate, or on several estimates by part."""
    parts = estimate if isinstance(estimate, dict) else {"all": estimate}
    return judged(claim, Evidence(Estimates(parts, by_stratum or {}), **evidence), theory)


def entry(finding: Finding, layer: int | None = None, theory: str = OF_THEORY.folder) -> models.ClaimEntry:
    return document.entry(
        finding, theory=theory, test="claims/test_x.py::test_x", seconds=0.1, command="pytest claims/", layer=layer
    )


def options(**changed: Any) -> models.Options:
    fields = {"profile": "quick", "seed": 0, "model": "tiny", "revision": None, "layer": None}
    return models.Options.model_validate(fields | {"device": "auto", "dtype": "auto"} | changed)


def report_of(*findings: Finding, headlines: tuple[HeadlineFinding, ...] = (), layer: int | None = None,
              **changed: Any) -> models.Report:  # fmt: skip
    fields = {
        "schema_version": models.SCHEMA_VERSION,
        "created": document.now(),
        "theories": (OF_THEORY,),
        "subject": None,
        "registration": None,
        "options": options(),
        "complete": True,
        "command": "pytest claims/",
        "seconds": 1.0,
        "environment": models.Environment(python="3", platform="x", packages={}, git=None),
        "self_checks": (),
        "margins": None,
        "tables": (),
        "headlines": tuple(document.headline(headline, OF_THEORY.folder) for headline in headlines),
        "claims": tuple(entry(finding, layer) for finding in findings),
        "views": (),
        "missing_views": {},
        "data": {},
    }
    return models.Report(**fields | changed)


def written(place: Path, *findings: Finding, **changed: Any) -> models.Report:
    """Writes a report. Returns its content as read from the file."""
    document.write(place, report_of(*findings, **changed), findings)
    return models.Report.model_validate_json((place / "report.json").read_text(encoding="utf-8"))


def text_of(place: Path) -> str:
    """Returns the text of a page in a folder, as a reader without its layout gets it."""
    page = (place / "index.html").read_text(encoding="utf-8")
    body = re.sub(r"<script>.*?</script>", "", page[page.index("<body>") :], flags=re.DOTALL)
    body = re.sub(r"</?(p|li|d[td]|t[dh])\b[^>]*>", " ", body)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", body)).split())
