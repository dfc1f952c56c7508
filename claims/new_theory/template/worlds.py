"""The simulations of all claims of the theory. Each experiment has those of its own claims in a file `worlds.py`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from claims.new_theory.template.theory import THEORY
from claims.simulations import Simulation


def _found() -> Mapping[str, Simulation]:
    """Returns the simulation of each claim by its id, in the order of the theory."""
    found: dict[str, Simulation] = {}
    for file in sorted(Path(__file__).parent.glob("*/worlds.py")):
        found |= import_module(f"claims.new_theory.template.{file.parent.name}.worlds").SIMULATIONS
    return {claim.id: found[claim.id] for claim in THEORY.claims if claim.id in found}


SIMULATIONS = _found()
