"""Phrases that the terminal and the page share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from referee.judging.verdict import Verdict

if TYPE_CHECKING:
    from reports.models import Estimate, Registration

FOUND = "Known claims that are SUPPORTED on this model"
"""The words before the result of `found`."""
KNOWN = "Does the instrument find what is known to be there?"
"""The heading of the claims of known theories."""


def p_value(p: float) -> str:
    """Returns a p-value with its sign of comparison."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def number(value: float | None) -> str:
    """Returns a number with three digits. Returns a dash for a missing number."""
    if value is None:
        return "–"
    text = f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"
    return "0.000" if text == "-0.000" else text


def interval(estimate: Estimate) -> str:
    """Returns an estimate with its interval."""
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def registration(found: Registration) -> str:
    """Says whether a run did what its registration fixed. The list of differences is not part of the text."""
    named = f"{found.file}, made {found.created}, SHA-256 {found.sha256}"
    if not found.changed:
        return f"registered before the run ({named})"
    differences = "1 difference" if len(found.changed) == 1 else f"{len(found.changed)} differences"
    return f"post-hoc: {differences} from the registration ({named})"


def robustness(agreeing: int, judged: int, *, fragile: bool) -> str:
    """Says how many other analysis choices agree with the verdict.

    Args:
        agreeing: number of other choices with the same verdict.
        judged: number of other choices with a verdict.
        fragile: True if one of them has the opposite verdict.
    """
    choice, verb = ("choice", "agrees") if judged == 1 else ("choices", "agree")
    return f"{agreeing} of {judged} {choice} {verb}{', fragile' if fragile else ''}"


def layers(layer: int, rank: int, meeting: int, n_layers: int) -> str:
    """Says how the layer of interest compares with all layers.

    Args:
        layer: the layer of interest, from 0.
        rank: its rank. The layer whose value fits the claim best has rank 1.
        meeting: number of layers whose value meets the claim.
        n_layers: number of layers.
    """
    found = f"{meeting} layer meets" if meeting == 1 else f"{meeting or 'no'} layers meet"
    common = ", half of them or more" if 2 * meeting >= n_layers else ""
    return f"layer {layer} ranks {rank} of {n_layers}; {found} the claim{common}"


def found(verdicts: Mapping[str, Verdict]) -> str | None:
    """Says how many claims of known theories are SUPPORTED, and which are not. Returns None without such claims.

    `verdicts` has the verdict on each claim, by its id.
    """
    if not verdicts:
        return None
    others = ", ".join(f"{id} {verdict}" for id, verdict in verdicts.items() if verdict is not Verdict.SUPPORTED)
    return (
        f"{list(verdicts.values()).count(Verdict.SUPPORTED)} of {len(verdicts)}{f' (not: {others})' if others else ''}"
    )
