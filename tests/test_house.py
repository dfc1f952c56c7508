"""The house keeps its shape: one direction of imports, small rooms, one door to nnsight."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = """
    errors memory embedded prompts small_tokenizer hand_set dials planted onednn pretrained subjects kv_cache tokens
    chat prefixes patterns edits requests attention scores batches prefix_cache edited_rows packing result_cache session
    resolution self_checks statistics curves verdict startup
    experiments.behaviour experiments.bandwidth experiments.interventions experiments.injection experiments.routing
    experiments.specialization experiments.thresholds experiments.subsets
"""
ROOMS = ORDER.split()
MODULES = sorted(p for folder in ("bandwidth", "claims", "fixtures", "reports") for p in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Every module that a file imports when it runs; imports for type checkers alone do not count."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    typing_only = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    skipped = {id(inner) for block in typing_only for inner in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


THRESHOLDLESS = [
    p for p in MODULES if p.parent.name not in ("claims", "figures") and p.stem not in ("planted", "dials")
]
"""A figure's numbers are places on paper, and a planted model's truth is its own."""


def test_every_module_has_its_place():
    """A new room of the instrument is put into the order of the house."""
    names = {name_of(path).removeprefix("bandwidth.") for path in MODULES if name_of(path).startswith("bandwidth.")}

    assert names - {"experiments"} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_upstream(path):
    """subject → prompts → attention → experiment → statistics → verdict → report → fixtures → claims."""
    name = name_of(path)
    forbidden = {
        "bandwidth": ("pytest", "hypothesis", "reports", "fixtures", "claims"),
        "reports": ("pytest", "fixtures", "claims", "torch"),
        "claims": ("reports", "torch", "nnsight"),
        "fixtures": ("nnsight",),
    }[name.split(".")[0]]

    used = imports(path)

    assert not {module for module in used if module.split(".")[0] in forbidden}
    if name.startswith("bandwidth."):
        later = ROOMS[ROOMS.index(name.removeprefix("bandwidth.")) :] if name != "bandwidth.experiments" else []
        assert not used & {f"bandwidth.{room}" for room in later}


def test_only_attention_knows_nnsight():
    """Everything else asks for patterns and logits."""
    users = [name_of(path) for path in MODULES if any(module.split(".")[0] == "nnsight" for module in imports(path))]

    assert users == ["referee.attention.tracing"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_are_small(path):
    """A module of more than 300 lines does two jobs."""
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", THRESHOLDLESS, ids=name_of)
def test_thresholds_live_in_the_theory_alone(path):
    """0.40, 0.55 and 0.65 are nobody else's business."""
    numbers = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}

    assert not {n for n in numbers if isinstance(n, float)} & {0.40, 0.55, 0.60, 0.65}


def test_listing_the_claims_imports_no_torch():
    """`pytest claims/ --collect-only` is for reading the theory."""
    code = (
        "import sys, pytest; code = pytest.main(['claims/', '--collect-only', '-q']);"
        "heavy = {'torch', 'transformers', 'nnsight', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules);"
        "print('heavy:', sorted(heavy)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout
    assert "Even heads put more than 40 % of their attention on the numbers, in every format." in done.stdout
