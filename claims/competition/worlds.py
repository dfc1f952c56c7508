"""The simulations of all claims of the theory. Each experiment has those of its own claims in a file `worlds.py`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from claims.competition.theory import THEORY
from claims.simulations import Simulation


def found() -> Mapping[str, Simulation]:
    """Returns the simulation of each claim by its id, in the order of the theory.

    A claim without a simulation does not appear. Raises ValueError if two experiments simulate one claim, or if an
    experiment simulates a claim that the theory does not have.
    """
    simulations: dict[str, Simulation] = {}
    for file in sorted(Path(__file__).parent.glob("*/worlds.py")):
        own: dict[str, Simulation] = import_module(f"claims.competition.{file.parent.name}.worlds").SIMULATIONS
        ids = {claim.id for claim in THEORY.claims} - set(simulations)
        if wrong := set(own) - ids:
            raise ValueError(f"Each claim of the theory has one simulation; got {sorted(wrong)} again in {file}")
        simulations |= own
    return {claim.id: simulations[claim.id] for claim in THEORY.claims if claim.id in simulations}


SIMULATIONS = found()
