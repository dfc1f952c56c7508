"""`python -m claims.new_theory` makes a theory that works, or says in one line why it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from runs import ROOT, process

from claims.new_theory import __main__ as new_theory
from fixtures import discovery

SHORTEST, LONGEST = "zz", "theory_with_the_longest_of_all"
"""Names between which those of all other theories lie in length. The imports of a file come in another order, too."""


@pytest.fixture
def claims(tmp_path, monkeypatch):
    """Returns a folder in the place of claims/, in which there are one theory and one program."""
    (tmp_path / "competition").mkdir()
    (tmp_path / "trial.py").touch()
    monkeypatch.setattr(new_theory, "folder_of", lambda name: tmp_path / name)
    return tmp_path


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Returns a copy of the suite without tests."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("referee", "fixtures", "reports", "claims"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "latest"))
    for file in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / file, root / file)
    return root


def python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in a copy of the suite, with the packages of the copy."""
    settings = {"cwd": root, "env": os.environ | {"PYTHONPATH": str(root)}, "timeout": 300}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, **settings)


@pytest.fixture(scope="module")
def made(copy):
    """Returns a copy of the suite with a new theory, and what the command said."""
    done = python(copy, "-m", "claims.new_theory", "my_theory")
    assert done.returncode == 0, done.stderr
    return copy, done.stdout


def files(folder: Path) -> list[str]:
    """Returns everything in a folder, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_command_names_what_it_made(made):
    """It says so in a few lines, and the last one is the next command."""
    copy, said = made

    count = len(list((copy / "claims" / "my_theory").rglob("*.py")))
    first, *_, last = said.splitlines()
    assert first.startswith(f"Made claims/my_theory/ with {count} files: the claim M1,")
    assert last == "pytest claims/my_theory --model planted --profile quick"


def test_the_new_claim_is_listed(made):
    """Listing the claims of all theories shows it."""
    copy, _ = made

    done = process("claims/", "--collect-only", "-q", cwd=copy, env={"PYTHONPATH": str(copy)})

    assert done.code == 0, done.output
    assert "M1                The number of a sentence gets more than twice its share of attention." in done.output


def test_the_new_claim_is_judged(made, tmp_path):
    """It is true on the planted model."""
    copy, said = made
    command = said.splitlines()[-1].split()[1:]

    done = process(*command, "--no-cache", "--report", tmp_path / "report", cwd=copy, env={"PYTHONPATH": str(copy)})

    assert done.code == 0, done.output
    assert "SUPPORTED      M1" in done.output
    assert "the noun after the number" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_new_files_keep_the_rules(made):
    """Whatever the length of the name and its place in the alphabet, nothing must be formatted again."""
    copy, _ = made
    for name in (SHORTEST, LONGEST):
        assert python(copy, "-m", "claims.new_theory", name).returncode == 0
    folders = [f"claims/{name}" for name in ("my_theory", SHORTEST, LONGEST)]

    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--config-file", "pyproject.toml"]):
        named = ["-p", "claims.my_theory"] if command[0] == "mypy" else folders
        done = python(copy, "-m", *command, *named)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_template_is_no_theory():
    """A run of all claims does not judge its claim."""
    assert "new_theory" not in discovery.theories()

    done = process("claims/new_theory", "--collect-only", "-q")

    assert done.code == pytest.ExitCode.NO_TESTS_COLLECTED, done.output


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("competition", "must be new in claims/; got 'competition'"),
        ("trial", "must be new in claims/; got 'trial'"),
        ("two words", "must be a Python identifier of at most 30 lower-case letters, digits and underscores"),
        ("../theory", "must be a Python identifier"),
        ("2nd", "must be a Python identifier"),
        ("Mine", "must be a Python identifier"),
        ("mine\n", "must be a Python identifier"),
        ("", "must be a Python identifier"),
        ("lambda", "and no keyword; got 'lambda'"),
        (f"{LONGEST}s", "at most 30"),
        (
            "my_sink",
            "by which -k finds other claims, or be a part of one; got 'my_sink', and -k finds claims by 'sink'",
        ),
        ("out_of_control", "finds claims by 'control'"),
        ("induction_again", "finds claims by 'induction'"),
        ("heads1", "finds claims by 's1'"),
        ("rout", "finds claims by 'routing'"),
        ("test", "finds claims by 'test'"),
    ],
)
def test_a_bad_name_gives_one_line(claims, capsys, name, reason):
    """The line has the rule, the name and the remedy. Nothing is written."""
    before = files(claims)

    assert new_theory.main([name]) == 2

    said = capsys.readouterr()
    assert reason in said.err
    assert said.err.endswith("Choose another name.\n")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert files(claims) == before


def test_the_names_between_are_good(claims):
    """The check of the line length needs the longest name that is allowed."""
    assert len(LONGEST) == 30
    for name in (SHORTEST, LONGEST, "my_theory"):
        new_theory.require_usable(name)


@pytest.mark.parametrize("problem", [OSError("no space left"), KeyboardInterrupt()])
def test_nothing_half_written_stays(claims, capsys, monkeypatch, problem):
    """If writing fails or is interrupted, there is no new folder, and no temporary one."""
    before, filled = files(claims), new_theory._filled

    def failing(text, name, claim_id):
        if "Experiment X1" in text:
            raise problem
        return filled(text, name, claim_id)

    monkeypatch.setattr(new_theory, "_filled", failing)

    if isinstance(problem, OSError):
        assert new_theory.main(["my_theory"]) == 2
        assert capsys.readouterr().err == ("claims/ must be writable; got no space left. Correct its permissions.\n")
    else:
        with pytest.raises(KeyboardInterrupt):
            new_theory.main(["my_theory"])
    assert files(claims) == before


def test_a_theory_that_is_being_written_is_not_found(claims, monkeypatch):
    """A run that starts at this moment finds only the other theories."""
    monkeypatch.setattr(discovery, "_CLAIMS", claims)
    monkeypatch.setattr(discovery, "import_module", lambda name: pytest.fail(f"{name} was found"))
    monkeypatch.setattr(new_theory, "new_id", lambda name: "M1")
    monkeypatch.setattr(new_theory, "require_usable", lambda name: None)
    filled, seen = new_theory._filled, []

    def looking(*arguments):
        seen.append(discovery.theories())
        return filled(*arguments)

    monkeypatch.setattr(new_theory, "_filled", looking)
    new_theory.lay_out("my_theory")

    assert len(seen) > 10
    assert not any(seen)
    assert (claims / "my_theory" / "theory.py").exists()


@pytest.mark.parametrize(
    ("name", "ids", "expected"),
    [
        ("my_theory", ["I1", "1.1a"], "M1"),
        ("my_theory", ["M1"], "MY1"),
        ("my_theory", ["M12a"], "MY1"),
        ("ii", ["I1", "I2"], "II3"),
        ("x_2", ["X1"], "X2"),
    ],
)
def test_the_id_of_the_new_claim_is_unlike_all_others(monkeypatch, name, ids, expected):
    """`-k` finds parts of words, so no id contains another one."""
    theory = SimpleNamespace(claims=[SimpleNamespace(id=claim_id) for claim_id in ids])
    monkeypatch.setattr(new_theory, "theories", lambda: {"other": theory})

    assert new_theory.new_id(name) == expected


def test_no_placeholder_stays(claims):
    """The name, the id and the title of the template are replaced everywhere."""
    new_theory.lay_out("my_theory")

    written = "\n".join(file.read_text(encoding="utf-8") for file in (claims / "my_theory").rglob("*.py"))
    assert 'name="My theory"' in written
    assert [word for word in ("X1", "template", "new_theory", "Name of") if word in written] == []
