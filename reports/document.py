"""Writes report.json, the versioned document of a run, with its figures and tables.

`reports.folder` puts the report folder in place only when it is complete. After an interrupted run the folder contains
the earlier report, or the new report with a mark that it is incomplete.
"""

from __future__ import annotations

import io
import json
import math
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referee.judging.findings import Finding
from referee.judging.verdict import Criterion
from reports.folder import replacement, resolved

if TYPE_CHECKING:
    from claims.competition.theory import Claim
    from referee.judging.statistics import Estimate

SCHEMA_VERSION = 3
SCHEMA = Path(__file__).with_name("schema.json")
_PACKAGES = ("torch", "transformers", "nnsight", "scipy", "pandas", "hypothesis", "pytest")


def entry(
    finding: Finding,
    *,
    test: str,
    seconds: float,
    command: str,
    p_holm: float | None = None,
    trial: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Returns the entry of a finding in report.json, without its figure and data.

    `p_holm` is the p value, adjusted for all headline claims of the theory. `trial` counts how often the test of the
    claim was right on models of known truth. It is None if there is no such record.
    """
    return {
        **_claim(finding.claim),
        "test": test,
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "estimate": _estimate(finding.estimate),
        "decisive_part": finding.decisive,
        "parts": {name: _estimate(part) for name, part in finding.parts.items()},
        "by_order": {order: _estimate(part) for order, part in finding.by_order.items()},
        "p_holm": p_holm,
        "chance": [{"world": c.world, "value": c.value, "p": c.p} for c in finding.chance],
        "variants": [
            {"name": v.name, "estimate": _estimate(v.estimate), "verdict": v.verdict and v.verdict.value}
            for v in finding.variants
        ],
        "counterexample": finding.counterexample,
        "notes": list(finding.notes),
        "figure": None,
        "data": None,
        "trial": trial,
        "seconds": round(seconds, 3),
        "command": command,
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "id": claim.id,
        "headline": claim.headline,
        "statement": claim.statement,
        "quantity": claim.quantity,
        "criterion": _criterion(claim.criterion),
        "source": claim.source,
        "published": claim.published,
        "control": claim.control,
    }


def _criterion(criterion: Criterion) -> dict[str, Any]:
    low, high = (None if math.isinf(bound) else bound for bound in (criterion.low, criterion.high))
    return {"low": low, "high": high, "text": str(criterion)}


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


def environment(root: Path) -> dict[str, Any]:
    """Returns versions, platform and git state. Another person needs them to repeat the run."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in _PACKAGES},
        "git": _git_state(root),
    }


def _git_state(root: Path) -> dict[str, Any] | None:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout

    try:
        return {
            "commit": git("rev-parse", "HEAD").strip(),
            "modified": bool(git("status", "--porcelain", "--untracked-files=no").strip()),
        }
    except (OSError, subprocess.CalledProcessError):
        return None


def write(
    folder: Path,
    run: dict[str, Any],
    entries: Sequence[dict[str, Any]],
    findings: Sequence[Finding | None],
    *,
    keep_existing: bool = False,
) -> Path | None:
    """Writes report.json, index.html, figures and data of a run into `folder`. Returns the path of the page.

    `reports.folder.replacement` decides on the final place of the report. The function returns None if an existing
    report was kept. `entries[i]` and `findings[i]` belong to the same claim. For a finding of None, no figure and no
    data are written.
    """
    from reports import page

    with replacement(resolved(folder), keep_existing=keep_existing) as (new, final):
        for entry, finding in zip(entries, findings, strict=True):
            _attach(new, entry, finding)
        document = {
            "schema_version": SCHEMA_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **run,
            "claims": list(entries),
        }
        written = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
        # A file name may contain bytes that are not UTF-8. They are written as escapes.
        (new / "report.json").write_text(written, encoding="utf-8", errors="backslashreplace")
        page.render(new)
    return final[0] / "index.html" if final else None


def _attach(folder: Path, entry: dict[str, Any], finding: Finding | None) -> None:
    """Writes the figure (SVG) and the data (CSV) of a finding. Adds their file names to the entry."""
    if finding is None:
        return
    if finding.figure is not None:
        (folder / "figures").mkdir(exist_ok=True)
        drawn = io.StringIO()
        finding.figure.savefig(drawn, format="svg", metadata={"Date": None})
        entry["figure"] = {"file": f"figures/{finding.claim.id}.svg", "alt": finding.alt}
        (folder / entry["figure"]["file"]).write_text(drawn.getvalue(), encoding="utf-8")
    if finding.data is not None:
        (folder / "data").mkdir(exist_ok=True)
        entry["data"] = f"data/{finding.claim.id}.csv"
        finding.data.to_csv(folder / entry["data"], index=False, float_format="%.6g", encoding="utf-8")
