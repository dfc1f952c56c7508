"""Makes ctrf.json: the verdicts of a report in the Common Test Report Format, which many CI dashboards read.

The format has no verdicts. An INCONCLUSIVE claim has its status "other", and the verdict is in `rawStatus`. `extra` has
the estimate, its interval and the criterion.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from referee.judging.verdict import Verdict
from reports.models import ClaimEntry, Report

_SPECIFICATION = "0.0.0"
"""The version of the format's specification."""
_STATUS = {
    Verdict.SUPPORTED: "passed",
    Verdict.REFUTED: "failed",
    Verdict.INCONCLUSIVE: "other",
    Verdict.NOT_APPLICABLE: "skipped",
    Verdict.ERROR: "failed",
}
_STATUSES = ("passed", "failed", "skipped", "pending", "other")


def ctrf(report: Report) -> str:
    """Returns the JSON text of a report in the Common Test Report Format. Equal reports give equal texts."""
    stop = round(datetime.fromisoformat(report.created).timestamp() * 1000)
    start = stop - round(report.seconds * 1000)
    statuses = [_STATUS[claim.verdict] for claim in report.claims]
    counts = {status: statuses.count(status) for status in _STATUSES}
    results = {
        "tool": {"name": "pytest", "version": report.environment.packages.get("pytest", "unknown")},
        "summary": {"tests": len(statuses), **counts, "start": start, "stop": stop, "duration": stop - start},
        "tests": [_test(claim, report) for claim in report.claims],
        "environment": _environment(report),
    }
    content = {
        "reportFormat": "CTRF",
        "specVersion": _SPECIFICATION,
        "timestamp": report.created,
        "generatedBy": "attention-referee",
        "results": results,
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def _test(claim: ClaimEntry, report: Report) -> dict[str, Any]:
    theory = next((theory.name for theory in report.theories if theory.folder == claim.theory), claim.theory)
    found: dict[str, Any] = {
        "testId": claim.test,
        "name": f"{claim.id} {claim.statement}",
        "status": _STATUS[claim.verdict],
        "rawStatus": claim.verdict.value,
        "duration": round(claim.seconds * 1000),
        "suite": [theory],
        "filePath": claim.test.partition("::")[0],
        "labels": {"claim": claim.id, "theory": claim.theory},
        "extra": _extra(claim),
    }
    return found | ({"message": claim.reason} if claim.reason else {})


def _extra(claim: ClaimEntry) -> dict[str, Any]:
    extra: dict[str, Any] = {
        "verdict": claim.verdict.value,
        "quantity": claim.quantity,
        "claimed": claim.criterion.text,
        "estimate": claim.estimate.model_dump() if claim.estimate else None,
        "unit": claim.unit,
        "fragile": claim.fragile,
        "rerun": claim.command,
    }
    return {name: value for name, value in extra.items() if value is not None}


def _environment(report: Report) -> dict[str, Any]:
    subject, git = report.subject, report.environment.git
    return {
        "reportName": "Validation report",
        "appName": report.options.model,
        **({"appVersion": subject.revision} if subject else {}),
        **({"commit": git.commit} if git else {}),
        "osPlatform": report.environment.platform,
        "extra": {"profile": report.options.profile, "seed": report.options.seed, "complete": report.complete},
    }
