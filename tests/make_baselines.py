"""Makes the reports in tests/baselines again. CI compares the verdicts of a run with them.

python tests/make_baselines.py

Run it after a change that is meant to change a verdict, or after a change of a theory, and look at the difference:
`python -m reports diff OLD NEW`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reports.models import Report
from reports.reading import read

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("planted", "smollm2")
"""The models that CI judges at profile quick."""
FOLDER = ROOT / "tests" / "baselines"


def command(model: str) -> list[str]:
    """Returns the arguments of pytest with which CI judges a model."""
    return ["claims/", "--model", model, "--profile", "quick"]


def without_appendices(report: Report, model: str) -> Report:
    """Returns the report without figures, data and token views: a comparison of verdicts does not need them."""
    claims = tuple(claim.model_copy(update={"figure": None, "data": None}) for claim in report.claims)
    shown = f"pytest {' '.join(command(model))}"
    return report.model_copy(update={"claims": claims, "data": {}, "views": (), "missing_views": {}, "command": shown})


def main() -> int:
    """Judges each model and writes its report. Returns 1 if a run has no complete report."""
    FOLDER.mkdir(exist_ok=True)
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            arguments = [*command(model), "--no-figures", "--report", f"{folder}/report"]
            subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT)
            report = read(Path(folder, "report", "report.json"))
        if not report.complete:
            print(f"The run on {model} is incomplete. Its baseline stays as it is.", file=sys.stderr)
            return 1
        text = without_appendices(report, model).model_dump_json(indent=1)
        (FOLDER / f"{model}.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
