"""Tests of the structure of the code: imports go one way, modules are small, and the instrument knows no theory."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMPORT_ORDER = (
    "referee.errors",
    "referee.models",
    "referee.prompts",
    "referee.attention",
    "referee.measuring",
    "referee.judging",
    "referee.remote",
    "referee.doctor",
    "referee.__main__",
    "referee.startup",
    "reports",
    "fixtures",
    "claims",
)
"""Packages and modules in the order of the data. A module imports only from its own entry and from earlier entries."""
FILES = sorted(p for folder in ("referee", "reports", "fixtures", "claims") for p in (ROOT / folder).rglob("*.py"))
EVERY_FILE = [*FILES, *sorted((ROOT / "tests").glob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in FILES}


def imports(path: Path) -> set[str]:
    """Returns every module that a file imports, at any place, also for type checkers."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names & set(MODULES) else {node.module}
    return found


GRAPH = {name: imports(path) & set(MODULES) - {name} for name, path in MODULES.items()}


def order_of(module: str) -> int | None:
    """Returns the index of a module's entry in IMPORT_ORDER, or None if it has no entry."""
    return next((i for i, entry in enumerate(IMPORT_ORDER) if f"{module}.".startswith(f"{entry}.")), None)


def test_every_module_is_in_a_room():
    """Every module except the package `referee` itself belongs to an entry of IMPORT_ORDER."""
    assert [name for name in MODULES if order_of(name) is None] == ["referee"]


def test_imports_go_upstream():
    """Data flows one way, so no module imports from a later entry of IMPORT_ORDER."""
    assert [
        f"{name} imports {used}"
        for name, others in GRAPH.items()
        for used in others
        if (order_of(name) or 0) < (order_of(used) or 0)
    ] == []


def test_the_import_graph_has_no_cycle():
    """This is also true inside each package. TopologicalSorter raises CycleError for a cycle and names it."""
    order = list(TopologicalSorter(GRAPH).static_order())

    assert set(order) == set(MODULES)


def test_experiments_do_not_know_the_fixtures_or_tests_of_others():
    """Experiments may share tables and figures. pytest passes the evidence of one experiment to another."""
    experiments = {name for name, path in MODULES.items() if len(path.relative_to(ROOT).parts) == 4}

    assert [
        f"{name} imports {used}"
        for name in experiments
        for used in GRAPH[name]
        if used.rpartition(".")[0] != name.rpartition(".")[0] and re.search(r"\.(fixture|test_\w+)$", used)
    ] == []


OUTSIDE = {
    "referee": {"pytest", "hypothesis", "matplotlib"},
    "reports": {"pytest", "hypothesis", "torch", "transformers", "nnsight"},
    "fixtures": {"nnsight"},
    "claims": {"nnsight"},
}
"""Libraries that a folder does not import when it runs."""


@pytest.mark.parametrize("folder", OUTSIDE)
def test_libraries_stay_where_they_belong(folder):
    """The instrument needs no pytest, a report needs no model, and a theory does not know how a model is traced."""
    for name, path in MODULES.items():
        if name.split(".")[0] == folder:
            tree = ast.parse(path.read_text())
            typing_only = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
            for block in typing_only:
                block.body = [ast.Pass()]
            used = {
                (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
                for node in ast.walk(tree)
                if isinstance(node, (ast.Import, ast.ImportFrom))
            }
            assert not {module.split(".")[0] for module in used} & OUTSIDE[folder], name


def test_two_modules_import_nnsight():
    """One wraps a model here, and one sends requests to a service. All other modules get patterns and logits."""
    assert [name for name, path in MODULES.items() if any(m.split(".")[0] == "nnsight" for m in imports(path))] == [
        "referee.attention.wrapping",
        "referee.remote.service",
    ]


def test_what_is_sent_to_a_service_imports_only_torch():
    """The suite's own modules cannot be imported there."""
    used = {name.split(".")[0] for name in imports(MODULES["referee.remote.blocks"])}

    assert used == {"__future__", "collections", "typing", "torch"}


def test_the_instrument_can_be_used_without_pytest():
    """The modules of `referee` can be imported in a notebook where pytest is not installed."""
    modules = [name for name in MODULES if name.startswith("referee")]
    code = f"import sys, importlib; sys.modules['pytest'] = None\nfor name in {modules}: importlib.import_module(name)"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


IDENTIFIERS = (
    r"pairs?|even|odd|parity|numerical|bandwidth|formats?|bigger|smaller|decimals?|fractions?|injection|bug|induction|"
    r"copying|matching"
)
PROSE = (
    r"bandwidth|numerical (share|token|categor)|\bparity\b|\b(even|odd) (heads?|ones)\b|format tokens?|Q&A|bug set|"
    r"\b[Pp]airs? of numbers|\bthe (two )?numbers\b|9\.11|competition|experiment \d|Llama-3\.1-8B|"
    r"\b[Ii]nduction|prefix.matching|previous.token"
)
LLAMA = "llama-3.1-8b"
"""The name of a model may stand in the list of names."""


def words_of_a_theory(path: Path) -> list[str]:
    """Returns the words of a theory in the text of a module, and in the names that the module defines."""
    text = path.read_text().replace(f'"{LLAMA}": "meta-llama/Llama-3.1-8B-Instruct"', "")
    found = [match.group() for match in re.finditer(PROSE, text)]
    for node in ast.walk(ast.parse(text)):
        defined = isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.arg))
        defined |= isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store)
        names = [getattr(node, field, None) for field in ("id", "attr", "name", "arg")] if defined else []
        for name in filter(lambda value: isinstance(value, str), names):
            found += [name for word in name.split("_") if re.fullmatch(IDENTIFIERS, word.lower())]
    return found


@pytest.mark.parametrize("name", [n for n in MODULES if n.split(".")[0] in ("referee", "reports", "fixtures")])
def test_only_a_theory_has_the_words_of_a_theory(name):
    """The instrument, the fixtures and the report serve any theory."""
    assert words_of_a_theory(MODULES[name]) == []


def test_the_search_for_words_finds_them():
    """The modules of the theories contain many of these words."""
    assert len(words_of_a_theory(MODULES["claims.competition.prompts"])) > 20
    assert len(words_of_a_theory(MODULES["claims.induction.theory"])) > 5


@pytest.mark.parametrize("path", [path for path in EVERY_FILE if path.name != "theory.py"], ids=name_of)
def test_modules_are_small(path):
    """A module of more than 300 lines does two jobs. The list of a theory's claims contains no code and may be long."""
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_fit_on_a_screen(path):
    """A function of more than 60 lines does two jobs."""
    functions = [
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]

    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 60] == []


THRESHOLDLESS = [p for p in FILES if p.name not in ("theory.py", "figure.py", "shared_figures.py", "style.py",
                 "worlds.py", "simulated_heads.py", "simulated_edits.py") and "planted" not in p.parts]  # fmt: skip
"""Modules that may contain no threshold. Figures, planted models and simulated tables may use the same numbers."""


@pytest.mark.parametrize("path", THRESHOLDLESS, ids=name_of)
def test_thresholds_live_in_the_theory_alone(path):
    """The numbers 0.40, 0.55, 0.60 and 0.65 are in no other module."""
    numbers = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}

    assert not {n for n in numbers if isinstance(n, float)} & {0.40, 0.55, 0.60, 0.65}


def test_listing_the_claims_imports_no_torch():
    """`pytest claims/ --collect-only` only lists the claims, so it must start quickly."""
    code = (
        "import sys, pytest; code = pytest.main(['claims/', '--collect-only', '-q']);"
        "heavy = {'torch', 'transformers', 'nnsight', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules);"
        "print('heavy:', sorted(heavy)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout
    assert "Even heads put more than 40 % of their attention on the numbers, in every format." in done.stdout
