"""The source text in the keys of results: the measuring code of the instrument, and the code of a theory's measures."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest
import torch

from claims.competition.bandwidth_distribution.measure import Shares
from claims.competition.prompts import QA, Pair, Prompt
from referee.attention.tracing import Attention
from referee.measuring import result_cache, result_keys
from referee.measuring.requests import Reading, Trial
from referee.measuring.result_keys import NotKeepable, ResultKeys, sources
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

ROOT = Path(__file__).parents[1]
THEORY = {
    "__init__.py": "",
    "measure.py": """
from dataclasses import dataclass

import small_theory.imported_whole
from referee.judging.verdict import Verdict
from small_theory import imported_module
from small_theory.imported_name import THREE
from . import beside
from .beside_name import ONE
from small_theory.folder.module import TWO

@dataclass(frozen=True)
class Scaled:
    def __call__(self, tokens, pattern):
        import small_theory.imported_late
        return imported_module.FACTOR * pattern[0, 0]
""",
    "imported_whole.py": "",
    "imported_module.py": "from small_theory import imported_by_an_import\nFACTOR = 2\n",
    "imported_by_an_import.py": "",
    "imported_name.py": "THREE = 3\n",
    "imported_late.py": "",
    "beside.py": "",
    "beside_name.py": "ONE = 1\n",
    "folder/__init__.py": "from ..above import FIVE\n",
    "folder/module.py": "TWO = 2\n",
    "above.py": "FIVE = 5\n",
    "not_imported.py": "",
}
"""A theory as a package in a folder of its own: the files by name."""
UNUSED = ("not_imported.py",)


@pytest.fixture
def tokens(llama):
    return tokenize(Prompt(Pair("9.8", "9.11"), "bigger first", QA), llama.tokenizer)


def key(subject, *parts):
    return ResultKeys(subject).of(*parts)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A folder with a copy of the instrument and a small theory beside it. A test can change their files."""
    shutil.copytree(ROOT / "referee", tmp_path / "referee", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in THEORY.items():
        (tmp_path / "small_theory" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "small_theory" / name).write_text(text)
    monkeypatch.setattr(result_keys, "_ROOT", tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    forget()


def forget():
    """Lets Python import the theory again."""
    for name in [name for name in sys.modules if name.split(".")[0] == "small_theory"]:
        del sys.modules[name]


def scaled():
    return importlib.import_module("small_theory.measure").Scaled()


def with_a_comment(file):
    with file.open("a") as text:
        text.write("\n# another line\n")


@pytest.mark.parametrize(
    "name",
    ["measuring/session.py", "measuring/new.py", "attention/patterns.py", "models/subjects.py", "prompts/tokens.py"],
)
def test_a_key_changes_with_the_measuring_code(name, copied, llama, tokens):
    """The folders that read models, prompts and attention are part of every key, and so is a new file in them."""
    before = key(llama, Trial(tokens)), key(llama, scaled(), Reading(tokens))
    with_a_comment(copied / "referee" / name)

    after = key(llama, Trial(tokens)), key(llama, scaled(), Reading(tokens))
    assert set(before).isdisjoint(after)


@pytest.mark.parametrize("name", ["verdict.py", "statistics.py", "new.py"])
def test_a_key_does_not_change_with_the_judging_code(name, copied, llama, tokens):
    """Another verdict is made from the same measurements, even where the theory imports the rule of the verdict."""
    before = key(llama, Trial(tokens)), key(llama, scaled(), Reading(tokens))
    with_a_comment(copied / "referee" / "judging" / name)

    assert (key(llama, Trial(tokens)), key(llama, scaled(), Reading(tokens))) == before


@pytest.mark.parametrize("name", [name for name in THEORY if name not in UNUSED])
def test_a_key_changes_with_the_module_of_a_measure_and_its_imports(name, copied, llama, tokens):
    """Every way to import a module of the theory counts, at any depth. Other keys stay the same."""
    before, of_another = key(llama, scaled(), Reading(tokens)), key(llama, Shares(), Reading(tokens))
    with_a_comment(copied / "small_theory" / name)

    assert key(llama, scaled(), Reading(tokens)) != before
    assert key(llama, Shares(), Reading(tokens)) == of_another


def test_a_key_does_not_change_with_other_files_of_a_theory(copied, llama, tokens):
    """A module that the measure does not import has no part in its result."""
    before = key(llama, scaled(), Reading(tokens))
    with_a_comment(copied / "small_theory" / "not_imported.py")

    assert key(llama, scaled(), Reading(tokens)) == before


def test_a_changed_measure_is_measured_again(copied, llama, tokens, monkeypatch):
    """A result from other source text is not used. If the change is undone, the first result is used again."""
    monkeypatch.setenv("REFEREE_CACHE", str(copied / "cache"))
    found = []
    for factor in (2, 3, 2):
        (copied / "small_theory" / "imported_module.py").write_text(f"FACTOR = {factor}\n")
        forget()
        with result_cache.kept(llama) as results:
            session = Session(llama, results)
            if found[1:]:
                monkeypatch.setattr(Attention, "enter", lambda *_, **__: pytest.fail("measured a third time"))
            found += session.patterns([tokens], scaled())

    assert torch.allclose(found[1], 1.5 * found[0])
    assert torch.equal(found[2], found[0])


def test_the_sources_of_a_measure_are_files_of_its_theory(copied):
    """The list has each file once, and no file of the instrument or of a library."""
    scaled()

    assert sources("small_theory.measure") == sorted(
        copied / "small_theory" / name for name in THEORY if name not in UNUSED
    )


def test_code_without_source_text_has_no_key(copied, llama, tokens):
    """The instrument cannot see whether such code changes."""
    measure = scaled()
    (copied / "small_theory" / "measure.py").unlink()

    with pytest.raises(NotKeepable, match=r"small_theory\.measure"):
        key(llama, measure, Reading(tokens))
