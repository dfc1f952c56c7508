"""Runs again what a report says that it ran, and compares verdicts and estimates.

The run has the same tests, model, revision, layer, data type, profile and seed, and it uses no kept results. Numbers
agree if they differ by no more than the drift: how far a margin moves if its trial runs in another batch, or in
float32. Both runs measure the drift, and the smaller value counts, because a report can state any.

The exit code is 0 if the runs agree, 1 if they diverge, and 2 if they cannot be compared.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from referee.errors import InstrumentFault, OtherSubject, UnreadableReport
from reports import differences
from reports.commands.claims import ROOT, run_claims
from reports.entry_parts import Model
from reports.models import ClaimEntry, Estimate, Report
from reports.reading import read

HELP = "run again what a report says that it ran"
ROUNDING = 1e-5
"""Drift of a report that states none, or a smaller one. Numbers in float32 have about seven digits."""
_OF_CLAIMS = (
    "statement", "criterion", "control", "decisive_part", "by_stratum", "chance", "variants", "agreement", "fragile",
)  # fmt: skip
_OF_HEADLINES = ("statement", "p_holm", "parts", "decisive")
_JUDGED = (0, 1)
"""Exit codes of a run that judged its claims."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, metavar="report.json")
    parser.add_argument("--model", help="where the same model is on this machine (default: as in the report)")
    parser.add_argument("--device", help="another device (default: as in the report)")
    parser.add_argument("--drift", type=float, help="largest difference of numbers (default: the drift of the margins)")


def run(given: argparse.Namespace) -> int:
    before = read(given.report)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "replay"
        arguments = selection(before, model=given.model, device=given.device)
        arguments += [f"--baseline={given.report.absolute()}", f"--report={folder}", "--temporary-report"]
        code = run_claims(*arguments)
        if not (folder / "report.json").exists():
            raise InstrumentFault("The run must end with a report", f"exit code {code}", "See its output above.")
        after = read(folder / "report.json")
    if before.subject and after.subject and after.subject.fingerprint != before.subject.fingerprint:
        got = f"fingerprint {after.subject.fingerprint} instead of {before.subject.fingerprint}"
        raise OtherSubject("The replay must study the same model", got, "Name the right one with --model.")
    if code not in _JUDGED:
        raise InstrumentFault("The run must judge its claims", f"exit code {code}", "See its output above.")
    allowed = drift(before, after) if given.drift is None else given.drift
    found = list(divergences(before, after, allowed))
    for name, old, new in differences.provenance_changes(*map(differences.provenance, (before, after))):
        if not name.startswith("option"):  # the replay gives every option that the report only implies
            print(f"note: {name} is {new}, and {old} in the report")
    for line in found:
        print(f"diverges: {line}")
    claims = "1 claim" if len(before.claims) == 1 else f"{len(before.claims)} claims"
    if found:
        print(f"the replay of {claims} diverges; differences beyond a drift of {allowed:.2g}: {len(found)}")
    else:
        print(f"the replay agrees: {claims}, estimates within {allowed:.2g}")
    return int(bool(found))


def selection(report: Report, *, model: str | None = None, device: str | None = None) -> list[str]:
    """Returns the arguments of pytest that repeat the run of a report.

    Raises UnreadableReport if the report has no subject, or names a test outside the suite's claims.
    """
    subject, options = report.subject, report.options
    tests = [claim.test for claim in report.claims]
    if subject is None:
        raise UnreadableReport("A report to replay must have a subject", "none", "Its model could not be loaded.")
    outside = [test for test in tests if not _in_claims(test)]
    if outside or not tests:
        got = outside[0] if outside else "no test"
        raise UnreadableReport("A report to replay must name tests in claims/", got, "Name an unchanged report.")
    given = {"model": model or options.model, "layer": subject.layer, "dtype": subject.dtype}
    given |= {"device": device or options.device, "seed": options.seed, "profile": options.profile}
    given |= {"fingerprint": subject.fingerprint}
    given |= {"revision": subject.revision} if subject.revision != "local" else {}
    return [*tests, *(f"--{name}={value}" for name, value in given.items()), "--no-cache", "--no-figures"]


def _in_claims(test: str) -> bool:
    """Returns True if the file of a test is in the suite's claims. A report comes from another person."""
    claims = ROOT / "claims"
    return test.startswith("claims/") and claims in (ROOT / test.partition("::")[0]).resolve().parents


def drift(*reports: Report) -> float:
    """Returns how far a number may move in a replay: the smallest drift that one of the reports states.

    The drift of a report is that of its margins, and at least rounding.
    """
    stated = (report.margins for report in reports)
    return min(max(ROUNDING, margins.alone, margins.precise or 0.0) if margins else ROUNDING for margins in stated)


def divergences(before: Report, after: Report, allowed: float) -> Iterator[str]:
    """Yields one line for each claim, part, phenomenon and headline that differs by more than `allowed`."""
    for id, where in differences.claims_in_one(before, after):
        yield f"{id} is {where} run"
    for old, new in differences.claims_in_both(before, after):
        if old.verdict is not new.verdict:
            yield f"{old.id} is {new.verdict}, and {old.verdict} in the report"
        yield from _estimates(old, new, allowed)
        yield from _unequal(old.id, old, new, _OF_CLAIMS, allowed)
    replayed = {theory.folder: theory.phenomenon for theory in after.theories}
    for theory in before.theories:
        text = replayed.get(theory.folder, theory.phenomenon)
        if text != theory.phenomenon:
            yield f"what theory {theory.folder} explains: {text!r}, and {theory.phenomenon!r} in the report"
    headlines = [{(found.theory, found.number): found for found in run.headlines} for run in (before, after)]
    for key in {**headlines[0], **headlines[1]}:
        one, other = (found.get(key) for found in headlines)
        verdicts = [found.verdict if found else "not judged" for found in (one, other)]
        if verdicts[0] != verdicts[1]:
            yield f"headline {key[1]} is {verdicts[1]}, and {verdicts[0]} in the report"
        elif one and other:
            yield from _unequal(f"headline {key[1]}", one, other, _OF_HEADLINES, allowed)


def _unequal(name: str, old: Model, new: Model, fields: tuple[str, ...], allowed: float) -> Iterator[str]:
    """Yields one line for each field that differs. Numbers in it may differ by `allowed`, and texts must be equal."""
    # A p-value counts other groups that do as well. A difference within the drift can change the count.
    without_p = {field: {"__all__": {"world", "value", "explains"}} if field == "chance" else True for field in fields}
    one, other = (entry.model_dump(mode="json", include=without_p) for entry in (old, new))
    for field in fields:
        if not _same(one[field], other[field], allowed):
            yield f"the field {field!r} of {name} differs from the report"


def _same(one: Any, other: Any, allowed: float) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key], allowed) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b, allowed) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return _close(one, other, allowed)
    return bool(one == other)


def _estimates(old: ClaimEntry, new: ClaimEntry, allowed: float) -> Iterator[str]:
    named: dict[str, tuple[Estimate | None, Estimate | None]] = {"": (old.estimate, new.estimate)}
    named |= {f" ({part})": (old.parts.get(part), new.parts.get(part)) for part in {**old.parts, **new.parts}}
    if len(named) == 2:  # the only part is the estimate itself
        named.popitem()
    for part, (one, other) in named.items():
        if not _agree(one, other, allowed):
            yield f"{old.id}{part} is {_exactly(other)}, and {_exactly(one)} in the report"


def _agree(one: Estimate | None, other: Estimate | None, allowed: float) -> bool:
    if one is None or other is None:
        return one is other
    both = ((one.value, other.value), (one.low, other.low), (one.high, other.high))
    return one.n == other.n and all(_close(a, b, allowed) for a, b in both)


def _close(one: float, other: float, allowed: float) -> bool:
    """Returns True if two numbers differ by at most `allowed`, relative to numbers above 1."""
    return abs(one - other) <= allowed * max(1.0, abs(one))


def _exactly(estimate: Estimate | None) -> str:
    if estimate is None:
        return "not measured"
    return f"{estimate.value:.7g} [{estimate.low:.7g}, {estimate.high:.7g}], n = {estimate.n}"
