"""Exits with 1 unless a report is valid, complete, and has a verdict (no error) for every claim of the theory.

On a model of known truth, every verdict must also be right.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from claims.competition.ground_truth import TRUTH
from claims.competition.theory import THEORY
from referee.judging.verdict import Verdict
from reports.models import Report


def problems(report: Report) -> list[str]:
    """Returns one sentence for each problem of a report."""
    verdicts = {claim.id: claim.verdict for claim in report.claims}
    found = [f"{claim.id} has no verdict" for claim in THEORY.claims if claim.id not in verdicts]
    found += [f"{id} is an error" for id, verdict in verdicts.items() if verdict is Verdict.ERROR]
    model = report.options.model
    if model in TRUTH.models:
        found += [
            f"{id} is {v}, which is wrong on {model}" for id, v in verdicts.items() if v not in TRUTH.right(id, model)
        ]
    return found + ([] if report.complete else ["the run is incomplete"])


if __name__ == "__main__":
    found = problems(Report.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print("\n".join(found) or f"{sys.argv[1]} is valid and complete")
    sys.exit(bool(found))
