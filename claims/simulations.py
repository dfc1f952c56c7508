"""Simulated tables of known truth, one generator for each claim, and the verdicts that the claims give on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.discovery import folder_of, theories
from fixtures.options import Settings
from referee.judging.claims import Claim, Theory
from referee.judging.evidence import Evidence, NotApplicable
from referee.judging.findings import Finding, judged
from referee.judging.verdict import Verdict

Array = NDArray[np.float64]
OUTSIDE, EDGE, INSIDE = -1, 0, 1
PLACES = {OUTSIDE: "outside", EDGE: "edge", INSIDE: "inside"}
"""Where the truth lies: the claim is clearly false, its quantity is exactly at the threshold, or it is clearly true."""

Generator = Callable[[np.random.Generator, Settings, int], Mapping[str, Any]]
"""Draws the measurements that a claim's test requests, by the names of the fixtures, for a place of the truth."""


@dataclass(frozen=True)
class Simulation:
    """Tables of known truth for one claim.

    Attributes:
        test: the claim's own test.
        draw: draws the measurements; see `Generator`.
        noise: what varies in the tables, and how far the places are from the threshold, in words.
    """

    test: Callable[..., None]
    draw: Generator
    noise: str

    @property
    def claim(self) -> Claim:
        return claim_of_test(self.test)

    def finding(self, rng: np.random.Generator, settings: Settings, place: int, theory: Theory) -> Finding:
        """Judges the claim on one simulated table."""
        return finding_of(self.test, theory, **self.draw(rng, settings, place))


def claim_of_test(test: Callable[..., None]) -> Claim:
    """Returns the claim in the marker of a test."""
    marks = getattr(test, "pytestmark", [])
    (claim,) = [mark.args[0] for mark in marks if mark.name == "claim"]
    return claim


class _Keeper:
    """The judge of a simulated claim. It keeps the finding and raises nothing."""

    def __init__(self, claim: Claim, theory: Theory) -> None:
        self.claim, self._theory = claim, theory
        self.finding: Finding | None = None

    def __call__(self, evidence: Evidence) -> None:
        self.finding = judged(self.claim, evidence, self._theory)


def finding_of(test: Callable[..., None], theory: Theory, **measurements: Any) -> Finding:
    """Returns the finding of a claim's own test, from measurements with the names of its fixtures."""
    keeper = _Keeper(claim_of_test(test), theory)
    try:
        test(**measurements, judge=keeper)
    except NotApplicable as reason:
        return Finding(keeper.claim, Verdict.NOT_APPLICABLE, reason=str(reason))
    assert keeper.finding is not None
    return keeper.finding


def simulations_of(theory: str) -> Mapping[str, Simulation]:
    """Returns the simulation of each claim by its id, in the order of the theory in a folder of claims/.

    Each experiment has those of its own claims in a file `worlds.py`. A claim without a simulation does not appear.
    Raises ValueError if two experiments simulate one claim, or if one simulates a claim that the theory does not have.
    """
    simulations: dict[str, Simulation] = {}
    claims = theories()[theory].claims
    for file in sorted(folder_of(theory).glob("*/worlds.py")):
        own: dict[str, Simulation] = import_module(f"claims.{theory}.{file.parent.name}.worlds").SIMULATIONS
        ids = {claim.id for claim in claims} - set(simulations)
        if wrong := set(own) - ids:
            raise ValueError(f"Each claim of the theory has one simulation; got {sorted(wrong)} again in {file}")
        simulations |= own
    return {claim.id: simulations[claim.id] for claim in claims if claim.id in simulations}


def bent(rng: np.random.Generator, normal: Array) -> Array:
    """Returns noise with median 0 and a standard deviation of 1 from normal noise.

    Each call chooses one shape for all values: normal, skewed to either side (lognormal), or with heavy tails.
    """
    shape = rng.integers(4)
    if shape == 0:
        return normal
    if shape == 1:
        return np.sinh(normal) / 1.788
    return (np.exp(0.8 * normal) - 1) / 1.304 * (1 if shape == 2 else -1)
