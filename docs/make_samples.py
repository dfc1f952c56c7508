"""Makes the sample reports and the picture of a report that the README shows.

python docs/make_samples.py             judges the claims on each model, and makes the pages and the picture
python docs/make_samples.py --render    makes them from the reports of an earlier call, after a change of the page

The reports stay in reports/samples/, which git ignores.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from referee.errors import InstrumentFault, UnwritableFolder
from reports import page
from reports.reading import read
from reports.writing import write_text

ROOT = Path(page.__file__).resolve().parents[1]
MODELS = ("planted", "smollm2")
PICTURED = "smollm2"
"""The model whose report is in the picture."""
_JUDGED = (0, 1)
"""Exit codes of a run that judged its claims."""
_WINDOW = "1280,900"
"""Size of the browser's window in the picture, in pixels."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python docs/make_samples.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--render", action="store_true", help="use the reports of an earlier call")
    given = parser.parse_args(arguments)
    try:
        browser = found_browser()  # before the runs, which take long
        for model in MODELS:
            if not given.render:
                judge(model)
            made = render(model)
            print(f"{made.relative_to(ROOT)}: {made.stat().st_size / 1e6:.1f} MB")
        picture(browser, ROOT / "docs" / "samples" / f"{PICTURED}.html", ROOT / "docs" / "report.png")
    except InstrumentFault as fault:
        print(f"{parser.prog}: {fault}", file=sys.stderr)
        return 2
    return 0


def found_browser() -> str:
    """Returns the path of a Chromium. Raises InstrumentFault if there is none."""
    for name in _BROWSERS:
        if path := shutil.which(name):
            return path
    rule = "A Chromium must be installed, because it makes the picture of the page"
    raise InstrumentFault(rule, f"none of {', '.join(_BROWSERS)}", "On Debian: apt-get install chromium.")


def judge(model: str) -> None:
    """Judges all claims on a model. The report names this command. Raises InstrumentFault if the run fails."""
    words = ["claims/", f"--model={model}", "--profile=quick", f"--report=reports/samples/{model}"]
    code = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT).returncode
    if code not in _JUDGED:
        raise InstrumentFault("The run must judge its claims", f"exit code {code}", "See its output above.")


def render(model: str) -> Path:
    """Makes the page of a sample. Returns its path. Raises InstrumentFault if its report cannot be read."""
    made = ROOT / "docs" / "samples" / f"{model}.html"
    made.parent.mkdir(exist_ok=True)
    write_text(made, page.html(read(ROOT / "reports" / "samples" / model / "report.json")))
    return made


def picture(browser: str, shown: Path, made: Path) -> None:
    """Makes a picture of the top of a page with a headless browser. Raises UnwritableFolder if it fails."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                   f"--user-data-dir={profile}", f"--window-size={_WINDOW}", f"--screenshot={made}",
                   shown.as_uri()]  # fmt: skip
        before = made.stat().st_mtime_ns if made.exists() else None
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode or not made.exists() or made.stat().st_mtime_ns == before:
        got = f"exit code {done.returncode} of {browser}: {done.stderr.strip().splitlines()[-1:]}"
        raise UnwritableFolder("The browser must write the picture", got, "Make sure that docs/ is writable.")


if __name__ == "__main__":
    sys.exit(main())
