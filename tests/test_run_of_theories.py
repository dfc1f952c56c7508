"""Runs of two theories as a user starts them, in a copy of the suite: this theory, and a small one that is known."""

from __future__ import annotations

import json
import shutil

import pytest
from runs import ROOT, process
from transformers import AutoConfig, AutoModelForCausalLM

from claims.competition.theory import THEORY
from reports.models import Report

FACTS = {
    "__init__.py": '"""A theory that is known to be true."""\n',
    "theory.py": """
from referee.judging.claims import Claim, Theory
from referee.judging.verdict import above

CLAIMS = tuple(Claim(f"K{n}", f"Fact {n} is there.", "a share", above(0.5), "nobody") for n in (1, 2, 3))
THEORY = Theory("Known Facts", CLAIMS, unit="facts", fewest_units=2, words={"K1": "rest"}, known=True)
""",
    "study.py": """
from fixtures.study import Study

def check_prompts(subject):
    from referee.prompts.tokens import tokenize
    from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, QA, Prompt

    return [tokenize(Prompt(DOCUMENT_PAIRS[0], order, QA), subject.tokenizer) for order in ORDERS]

def build(name):
    from claims.competition.planted.model import build

    return build("planted:bug=none")

STUDY = Study(summary="It has facts.", check_prompts=check_prompts, depth=None, builders={"facts": build})
""",
    "test_facts.py": """
import pandas as pd
import pytest
from matplotlib.figure import Figure

from claims.facts.theory import CLAIMS
from referee.judging.evidence import Drawing, Estimates, Evidence
from referee.judging.statistics import Estimate

def evidence(value):
    estimates = Estimates({"all": Estimate(value, value - 0.1, value + 0.1, 20)})
    return Evidence(estimates, drawing=Drawing(Figure, "nothing"), data=pd.DataFrame({"value": [value]}))

@pytest.mark.claim(CLAIMS[0])
def test_first(session, judge):
    assert session.subject.n_layers > 1
    judge(evidence(0.9))

@pytest.mark.claim(CLAIMS[1])
def test_second(session, judge):
    judge(evidence(0.1))

@pytest.mark.claim(CLAIMS[2])
def test_third(session, judge):
    judge(evidence(0.5))
""",
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Returns the folder of a copy of the suite with two theories."""
    root = tmp_path_factory.mktemp("suite")
    for name in ("referee", "fixtures", "reports"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "latest"))
    for file in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / file, root / file)
    shutil.copytree(ROOT / "claims" / "competition", root / "claims" / "competition")
    for file in (ROOT / "claims").glob("*.py"):
        shutil.copy(file, root / "claims")
    (root / "claims" / "facts").mkdir()
    for name, text in FACTS.items():
        (root / "claims" / "facts" / name).write_text(text)
    return root


@pytest.fixture
def changed(suite):
    """Returns a function that replaces text in a file of the copy until the end of the test."""
    before = {}

    def change(name, old, new):
        file = suite / "claims" / name
        before[file] = file.read_text()
        assert old in before[file]
        file.write_text(before[file].replace(old, new))

    yield change
    for file, text in before.items():
        file.write_text(text)


def judged(suite, *options):
    """Runs the claims of the copy, at the smallest size."""
    always = ("claims/", "--profile=quick", "--no-cache")
    return process(*always, *options, cwd=suite, env={"PYTHONPATH": str(suite)})


@pytest.fixture(scope="module")
def run(suite, llama_folder):
    """Returns a run of all known claims and of the claims of one headline, and its report."""
    done = judged(suite, f"--model={llama_folder}", "-k", "facts or headline2", "--report=out")
    return done, Report.model_validate_json((suite / "out" / "report.json").read_text())


def test_two_theories_share_one_model_and_one_session(run):
    """The model is loaded once and checked once, at the layer of the theory that names one."""
    done, report = run

    assert done.output.count("loading ") == 1
    assert done.output.count("self-checks passed") == 1
    assert report.subject.layer == round(10 / 32 * 3)
    assert report.complete


def test_two_theories_are_kept_apart_in_the_terminal(run):
    """Each heading stands once while the run goes on and once at the end, and known claims have one line."""
    done, _ = run

    assert done.output.count("Does the instrument find what is known to be there?") == 2
    assert done.output.count(f"\n{THEORY.name}\n") == 2
    assert done.output.count("\n✗ REFUTED        K2    Fact 2 is there. ") == 2
    assert "Known claims that are SUPPORTED on this model: 1 of 3 (not: K2 REFUTED, K3 INCONCLUSIVE)" in done.output
    places = [done.output.index(f" {id} ") for id in ("K1", "K2", "K3", "1.1b")]
    assert places == sorted(places)


def test_a_refuted_known_claim_turns_the_run_red(suite, llama_folder):
    """The exit code does not depend on the theory."""
    done = judged(suite, f"--model={llama_folder}", "-k", "K2", "--report=red")

    assert done.code == 1, done.output
    assert "1.1a" not in done.output


def test_two_theories_are_kept_apart_in_the_report(suite, run):
    """Each entry names its theory. Figures have files of their own, and claims share a table only within a theory."""
    _, report = run

    assert [(theory.folder, theory.known, theory.stratum) for theory in report.theories] == [
        ("facts", True, None),
        ("competition", False, THEORY.stratum),
    ]
    assert {claim.theory for claim in report.claims if claim.id.startswith("K")} == {"facts"}
    assert {claim.theory for claim in report.claims if not claim.id.startswith("K")} == {"competition"}
    assert {headline.theory for headline in report.headlines} == {"competition"}
    figures = [claim.figure.file for claim in report.claims if claim.figure]
    assert len(set(figures)) == len(report.claims)
    tables = [{claim.data for claim in report.claims if claim.theory == name} for name in ("facts", "competition")]
    assert not tables[0] & tables[1]
    assert all((suite / "out" / str(file)).exists() for file in (*figures, *tables[0], *tables[1]))
    assert json.loads((suite / "out" / "report.json").read_text())["schema_version"] == 10


def listed(suite, words):
    """Returns the lines of --collect-only that are neither empty nor pytest's own id of a test."""
    lines = judged(suite, "--collect-only", "-q", "-k", words).output.splitlines()
    return [line for line in lines if line and "::" not in line]


def test_claims_are_listed_by_theory(suite):
    """Known claims come first, and each theory has a heading if there are several."""
    both, one = (listed(suite, words) for words in ("K1 or K2 or 1.1b", "1.1b"))

    assert both[:5] == [
        "Known Facts (known)",
        "K1                Fact 1 is there.",
        "K2                Fact 2 is there.",
        THEORY.name,
        f"1.1b  headline 2  {next(claim.statement for claim in THEORY.claims if claim.id == '1.1b')}",
    ]
    assert one[0].startswith("1.1b")


@pytest.mark.parametrize(("words", "ids"), [("facts", {"K1", "K2", "K3"}), ("rest", {"K1"}), ("competition", None)])
def test_words_select_a_theory(words, ids, suite):
    """-k finds the claims of a theory by its folder, and by the words of the theory."""
    found = {line.split()[0] for line in listed(suite, words)}

    every = {claim.id for claim in THEORY.claims} | {"K1", "K2", "K3"}
    assert found & every == (ids or {claim.id for claim in THEORY.claims})


FAULTS = {
    "two layers": ("facts/study.py", "depth=None", "depth=0.5", "one layer of interest", "0.5 in claims/facts"),
    "one model twice": ("facts/study.py", '"facts": build', '"planted": build', "different names", "got planted"),
    "one id twice": ("facts/theory.py", 'f"K{n}"', 'f"1.1{chr(96 + n)}"', "different ids", "got 1.1a"),
}


@pytest.mark.parametrize(("name", "old", "new", "rule", "got"), FAULTS.values(), ids=FAULTS)
def test_theories_that_do_not_fit_are_refused(name, old, new, rule, got, suite, changed):
    """The run ends with one line before it loads the model."""
    changed(name, old, new)

    done = judged(suite, "--model=planted", "--report=refused")

    assert done.code == pytest.ExitCode.USAGE_ERROR, done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("ERROR: ")]
    assert rule in line
    assert got in line
    assert "loading" not in done.output


def test_every_theory_can_be_judged_on_the_models_of_all(suite):
    """--model may name a model that another theory builds."""
    done = judged(suite, "--model=facts", "-k", "1.1a or K1", "--report=models")

    assert "K1    Fact 1 is there." in done.output
    assert "SUPPORTED      1.1a" in done.output
    assert done.code == 0


def test_one_head_is_an_error_only_for_the_theory_that_compares_heads(suite, llama_folder, tmp_path):
    """The claims of the other theory are judged."""
    shutil.copytree(llama_folder, tmp_path / "model")
    config = AutoConfig.from_pretrained(llama_folder)
    config.num_attention_heads = config.num_key_value_heads = 1
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")

    done = judged(suite, f"--model={tmp_path / 'model'}", "-k", "K1 or 1.1a", "--report=one_head")

    report = Report.model_validate_json((suite / "one_head" / "report.json").read_text())
    assert {claim.id: claim.verdict.value for claim in report.claims} == {"K1": "SUPPORTED", "1.1a": "ERROR"}
    assert done.output.count("must have at least two heads, so that even and odd ones can be compared; got 1") == 1
