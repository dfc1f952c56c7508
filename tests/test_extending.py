"""docs/extending.md is right: whoever follows its steps gets the verdicts that it names.

The tests copy the repository, make the changes of one section of the page in the copy, and judge the new claims there.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from referee.judging.verdict import Verdict

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
_LEFT_OUT = (".git", ".venv", ".*_cache", ".benchmarks", ".hypothesis", "__pycache__", "*.egg-info", "build", "latest")
_MARKED_BLOCK = re.compile(
    r"^\*\*`(?P<file>[^`]+)`\*\* \((?P<change>new file|append|(?:insert before|replace) `(?P<line>[^`]+)`)\):\n\n"
    r"```python\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A code block of the page, and what its reader does with it.

    Attributes:
        file: the file that the reader changes, relative to the repository.
        change: "new file", "append", "insert before" or "replace".
        line: the beginning of the statement that is replaced, or of the line before which the code goes. Empty for the
            other changes.
    """

    file: str
    change: str
    line: str
    code: str

    def apply(self, root: Path) -> None:
        """Changes the file in a copy of the repository. Raises AssertionError where the page does not fit the file."""
        file = root / self.file
        if self.change == "new file":
            assert not file.exists(), f"{self.file} exists already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.code, encoding="utf-8")
            return
        before = file.read_text(encoding="utf-8")
        file.write_text(self._changed(before), encoding="utf-8")

    def _changed(self, before: str) -> str:
        if self.change == "append":
            return f"{before}\n\n{self.code}"
        lines = before.splitlines(keepends=True)
        places = [i for i, line in enumerate(lines) if line.strip().startswith(self.line)]
        assert len(places) == 1, f"{self.line!r} begins {len(places)} lines of {self.file}"
        start = stop = places[0]
        if self.change == "replace":
            stop = next(node.end_lineno for node in ast.parse(before).body if node.lineno == start + 1)
        elif not self.code.startswith(" "):
            return "".join([*lines[:start], f"{self.code}\n\n", *lines[start:]])
        return "".join([*lines[:start], self.code, *lines[stop:]])


def section(title: str) -> str:
    """Returns the text of one section of the page, from its title to the next title of the same level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title!r}"
    return found[1]


def blocks(text: str) -> list[Block]:
    """Returns the marked code blocks of a text, in order."""
    return [
        Block(m["file"], m["change"].partition(" `")[0], m["line"] or "", m["code"])
        for m in _MARKED_BLOCK.finditer(text)
    ]


def verdicts(text: str) -> dict[str, dict[str, str]]:
    """Returns the verdicts that a text names, by model and claim.

    They stand in sentences such as "On `planted`, claim 6.1 is SUPPORTED."
    """
    found: dict[str, dict[str, str]] = {}
    for model, claim, verdict in re.findall(r"On `([^`]+)`, claim (\S+) is ([A-Z ]+[A-Z])", text):
        found.setdefault(model, {})[claim] = verdict
    return found


def python(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs Python in a copy of the repository, with the packages of the copy."""
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=root, env=environment, capture_output=True, text=True, timeout=600
    )


def judged(root: Path, model: str, *options: str) -> dict[str, str]:
    """Returns the verdicts on a model by claim, from the report of a run in a copy of the repository."""
    report = root / "report-of-the-test"
    done = python(root, "-m", "pytest", "--model", model, "--profile=quick", "--no-cache", "--report", report, *options)
    assert (report / "report.json").exists(), done.stdout + done.stderr
    claims = json.loads((report / "report.json").read_text(encoding="utf-8"))["claims"]
    shutil.rmtree(report)
    return {claim["id"]: claim["verdict"] for claim in claims}


def keeps_the_structure(root: Path) -> None:
    """Checks in a copy of the repository that imports go one way, and that listing the claims imports no torch.

    It leaves out sizes, because the page adds to files, and a check of the instrument, which the page does not change.
    """
    done = python(root, "-m", "pytest", "-q", "tests/test_house.py", "-k", "not small and not without_pytest")
    assert done.returncode == 0, done.stdout


@pytest.fixture
def copy(tmp_path):
    """A copy of the repository, without caches and reports."""
    root = tmp_path / "copy"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    return root


def test_every_code_block_is_marked():
    """A block of Python without a file name is for a notebook, and the page says so."""
    notebook = section("Use the instrument in a notebook")

    assert PAGE.count("```python\n") == len(blocks(PAGE)) + notebook.count("```python\n")


def test_whole_blocks_are_python():
    """A block that replaces a line, or stands before one, may be a part of a statement. All others stand alone."""
    for block in blocks(PAGE):
        if block.change in ("new file", "append"):
            compile(block.code, block.file, "exec")


@pytest.mark.slow
def test_new_claims_and_a_new_experiment(copy):
    """The new claims get the verdicts that the page names, and their ground truth is complete."""
    text = section("Add a claim to an experiment") + section("Add an experiment")
    for block in blocks(text):
        block.apply(copy)

    for model, expected in verdicts(text).items():
        assert judged(copy, model, "claims/", "-k", "1.1f or 6.1") == expected
    structural = python(copy, "-m", "pytest", "-q", "-m", "not slow", "tests/test_known_answers.py")
    assert structural.returncode == 0, structural.stdout
    keeps_the_structure(copy)


@pytest.mark.slow
def test_a_new_threshold(copy):
    """Every place that shows a threshold takes it from theory.py."""
    for block in blocks(section("Change a threshold")):
        block.apply(copy)

    done = python(copy, "-m", "pytest", "claims/", "--collect-only", "-q", "-k", "1.1a")
    assert "more than 35 %" in done.stdout, done.stdout + done.stderr


def test_every_file_of_a_theory_exists():
    """The worked example has the files that the page names."""
    table = section("Add a theory").partition("| file |")[2].partition("\n\n")[0]
    files = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)

    assert len(files) > 5
    assert [file for file in files if not (ROOT / "claims" / "induction" / file).exists()] == []


@pytest.mark.slow
def test_a_new_theory(copy):
    """The commands make a theory whose claim gets the verdicts that the page names."""
    text = section("Add a theory")
    new, trial, operating = re.findall(r"^python (-m claims\.\S+ [^#\n]+?)(?: +#.*)?$", text, re.MULTILINE)
    said = []
    for command in (new, trial, operating):
        done = python(copy, *command.split())
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout.splitlines()

    # The trial prints one line for each model.
    found = {line.split()[0]: line.split()[1:] for line in said if line.startswith(tuple(verdicts(text)))}
    assert {model: [Verdict(expected["M1"]).sign] for model, expected in verdicts(text).items()} == found
    keeps_the_structure(copy)


@pytest.mark.network
@pytest.mark.slow
def test_the_instrument_in_a_notebook(copy):
    """The cells run one after the other, in one file."""
    cells = re.findall(r"```python\n(.*?)^```$", section("Use the instrument in a notebook"), re.MULTILINE | re.DOTALL)
    (copy / "notebook.py").write_text("\n".join(cells), encoding="utf-8")

    done = python(copy, "notebook.py")

    assert done.returncode == 0, done.stderr
