"""Exits with 1 unless a report is valid, complete, and has a verdict (no error) for every claim and every headline.

The claims are those of all theories in claims/. The verdict on a headline must follow from the verdicts on its claims.
On a model of known truth, every verdict on a claim must also be right.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from claims.trial import truth_of
from fixtures.discovery import theories
from referee.judging.claims import Theory
from referee.judging.verdict import Verdict
from reports.models import HeadlineEntry, Report


def problems(report: Report) -> list[str]:
    """Returns one sentence for each problem of a report."""
    expected = theories()
    listed = [theory.folder for theory in report.theories]
    found = [] if listed == list(expected) else [f"the theories are {listed} instead of {list(expected)}"]
    for folder, theory in expected.items():
        found += _of_theory(report, folder, theory)
    return found + ([] if report.complete else ["the run is incomplete"])


def _of_theory(report: Report, folder: str, theory: Theory) -> list[str]:
    """Returns one sentence for each problem with the claims and headlines of one theory."""
    verdicts = {claim.id: claim.verdict for claim in report.claims if claim.theory == folder}
    expected = [claim.id for claim in theory.claims]
    found = [f"{id} has no verdict" for id in expected if id not in verdicts]
    found += [f"{id} is no claim of the theory" for id in verdicts if id not in expected]
    found += [f"{id} is an error" for id, verdict in verdicts.items() if verdict is Verdict.ERROR]
    headlines = [headline for headline in report.headlines if headline.theory == folder]
    listed = [headline.number for headline in headlines]
    if listed != sorted(theory.headlines):
        found.append(f"the headlines are {listed} instead of {sorted(theory.headlines)}")
    found += [problem for headline in headlines for problem in _faults(headline, verdicts, theory)]
    model, truth = report.options.model, truth_of(folder)
    if model in truth.models:
        found += [
            f"{id} is {v}, which is wrong on {model}"
            for id, v in verdicts.items()
            if id in expected and v not in truth.right(id, model)
        ]
    return found


def _faults(headline: HeadlineEntry, verdicts: Mapping[str, Verdict], theory: Theory) -> list[str]:
    """Returns one sentence for each reason why a headline does not follow from the verdicts on its claims."""
    expected = {claim.id for claim in theory.claims if claim.headline == headline.number}
    if set(headline.parts) != expected:
        return [f"headline {headline.number} has the claims {sorted(headline.parts)} instead of {sorted(expected)}"]
    parts = [verdicts.get(id, Verdict.ERROR) for id in headline.parts]
    each_supported, one_refuted = set(parts) == {Verdict.SUPPORTED}, Verdict.REFUTED in parts
    certain = headline.p_holm is not None and headline.p_holm <= 1 - theory.confidence + 1e-12
    possible = {
        Verdict.SUPPORTED: each_supported and certain,
        Verdict.REFUTED: one_refuted,
        # A headline of more claims needs more certainty than each claim alone, for support and for refutation.
        Verdict.INCONCLUSIVE: one_refuted or Verdict.INCONCLUSIVE in parts or (each_supported and not certain),
        Verdict.NOT_APPLICABLE: Verdict.NOT_APPLICABLE in parts and not one_refuted,
        Verdict.ERROR: False,
    }
    if possible[headline.verdict]:
        return []
    claims = ", ".join(f"{id} {verdict}" for id, verdict in zip(headline.parts, parts, strict=True))
    return [f"headline {headline.number} is {headline.verdict}, but its claims are {claims}, and p = {headline.p_holm}"]


if __name__ == "__main__":
    found = problems(Report.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print("\n".join(found) or f"{sys.argv[1]} is valid and complete")
    sys.exit(bool(found))
