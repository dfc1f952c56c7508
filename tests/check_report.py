"""Exits with 1 unless a report is valid, complete, and has a verdict (no error) for every claim of the theory."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).parents[1]))

from claims.competition.theory import CLAIMS
from reports.document import SCHEMA


def problems(report: dict) -> list[str]:
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    verdicts = {claim["id"]: claim["verdict"] for claim in report["claims"]}
    found = [f"{claim.id} has no verdict" for claim in CLAIMS if claim.id not in verdicts]
    found += [f"{id} is an error" for id, verdict in verdicts.items() if verdict == "ERROR"]
    return found + ([] if report["complete"] else ["the run is incomplete"])


if __name__ == "__main__":
    found = problems(json.loads(Path(sys.argv[1]).read_text()))
    print("\n".join(found) or f"{sys.argv[1]} is valid and complete")
    sys.exit(bool(found))
