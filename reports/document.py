"""Writes report.json, the versioned document of a run, with its figures and tables.

python -m reports.document --schema   prints the JSON schema of report.json

`reports.folder` puts the report folder in place only when it is complete. After an interrupted run the folder contains
the earlier report, or the new report with a mark that it is incomplete.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import models
from reports.attachments import Attachments
from reports.folder import replacement, resolved

if TYPE_CHECKING:
    from referee.judging import statistics, verdict
    from referee.judging.findings import Finding, HeadlineFinding

_PACKAGES = ("torch", "transformers", "nnsight", "scipy", "pandas", "hypothesis", "pytest")


def entry(
    finding: Finding,
    *,
    theory: str,
    test: str,
    seconds: float,
    command: str,
    layer: int | None = None,
    trial: dict[str, int] | None = None,
    operating: dict[str, Any] | None = None,
    counterexample_tokens: models.PromptTokens | None = None,
) -> models.ClaimEntry:
    """Returns the entry of a finding in report.json, without its figure and data.

    `theory` is the folder of the claim's theory. `layer` is the layer of interest. It is None if the model was not
    loaded. `trial` counts how often the test of the claim was right on models of known truth. It is None if there is no
    such record. `operating` has the claim's error rates on simulated tables. It is None if there is no such record.
    `counterexample_tokens` are the tokens of the counterexample. They are None if it is not one prompt.
    """
    claim, evidence = finding.claim, finding.evidence
    return models.ClaimEntry(
        id=claim.id,
        theory=theory,
        headline=claim.headline,
        statement=claim.statement,
        quantity=claim.quantity,
        unit=finding.unit,
        criterion=criterion(claim.criterion),
        source=claim.source,
        published=claim.published,
        control=claim.control,
        test=test,
        verdict=finding.verdict,
        reason=finding.reason,
        estimate=_estimate(finding.estimate) if finding.estimate else None,
        decisive_part=finding.decisive,
        parts={name: _estimate(part) for name, part in finding.parts.items()},
        by_stratum={name: _estimate(part) for name, part in finding.by_stratum.items()},
        chance=tuple(models.ChanceWorld.model_validate(world) for world in (evidence.against if evidence else ())),
        variants=tuple(models.Variant.model_validate(variant) for variant in finding.variants),
        agreement=_agreement(finding),
        fragile=finding.fragile,
        layers=_layers(finding, layer),
        counterexample=str(evidence.counterexample) if evidence and evidence.counterexample else None,
        counterexample_tokens=counterexample_tokens,
        notes=evidence.notes if evidence else (),
        figure=None,
        data=None,
        trial=models.KnownTruth.model_validate(trial) if trial else None,
        operating=models.Operating.model_validate(operating) if operating else None,
        seconds=round(seconds, 3),
        command=command,
    )


def headline(found: HeadlineFinding, theory: str) -> models.HeadlineEntry:
    """Returns the entry of a headline in report.json. `theory` is the folder of its theory."""
    return models.HeadlineEntry(
        theory=theory,
        number=found.number,
        statement=found.statement,
        verdict=found.verdict,
        reason=found.reason,
        p_holm=found.p,
        parts=tuple(part.claim.id for part in found.parts),
        decisive=found.decisive.claim.id if found.decisive else None,
    )


def _agreement(finding: Finding) -> models.Agreement | None:
    if finding.agreeing is None:
        return None
    agreeing, judged = finding.agreeing
    return models.Agreement(agreeing=agreeing, judged=judged)


def _layers(finding: Finding, layer: int | None) -> models.Layers | None:
    """Returns the quantity at every layer. Returns None if the evidence does not have it."""
    values, criterion = finding.evidence.by_layer if finding.evidence else {}, finding.claim.criterion
    if layer is None or layer not in values or (rank := finding.layer_rank(layer)) is None:
        return None
    return models.Layers(
        values={n: value if math.isfinite(value) else None for n, value in sorted(values.items())},
        layer=layer,
        meeting=tuple(n for n, value in sorted(values.items()) if criterion.admits(value)),
        rank=rank[0],
    )


def criterion(claimed: verdict.Criterion) -> models.Criterion:
    """Returns the criterion of a claim as report.json has it."""
    low, high = (None if math.isinf(bound) else bound for bound in (claimed.low, claimed.high))
    return models.Criterion(low=low, high=high, text=str(claimed))


def _estimate(estimate: statistics.Estimate) -> models.Estimate:
    return models.Estimate.model_validate(estimate)


def environment(root: Path) -> models.Environment:
    """Returns versions, platform and git state. Another person needs them to repeat the run."""
    return models.Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: version(name) for name in _PACKAGES},
        git=_git_state(root),
    )


def _git_state(root: Path) -> models.Git | None:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout

    try:
        commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return models.Git(commit=commit.strip(), modified=bool(changes.strip()))


def now() -> str:
    """Returns the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write(
    folder: Path,
    report: models.Report,
    findings: Sequence[Finding],
    *,
    keep_existing: bool = False,
    figures: bool = True,
) -> Path | None:
    """Writes the report of a run into `folder`. Returns the path of the page.

    The folder gets report.json, index.html, summary.md, ctrf.json, and the figures and the data of the claims. The
    figures and the data are also in report.json.

    `reports.folder.replacement` decides on the final place of the report. The function returns None if an existing
    report was kept. `findings[i]` belongs to `report.claims[i]`, which has no figure and no data yet.
    `figures` says whether figures are drawn.
    """
    from reports import page
    from reports.ctrf import ctrf
    from reports.summary import summary

    with replacement(resolved(folder), keep_existing=keep_existing) as (new, final):
        attachments = Attachments(new, figures=figures)
        claims = tuple(attachments.added(claim, found) for claim, found in zip(report.claims, findings, strict=True))
        complete = report.model_copy(update={"claims": claims, "data": attachments.data})
        (new / "report.json").write_text(complete.model_dump_json(indent=1), encoding="utf-8")
        (new / "summary.md").write_text(summary(complete), encoding="utf-8")
        (new / "ctrf.json").write_text(ctrf(complete), encoding="utf-8")
        page.render(new)
    return final[0] / "index.html" if final else None


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.document", description="Describes report.json.")
    parser.add_argument("--schema", action="store_true", required=True, help="print the JSON schema of report.json")
    parser.parse_args(arguments)
    print(json.dumps(models.schema(), indent=1))


if __name__ == "__main__":
    main()
