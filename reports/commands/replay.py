"""Runs again what a report says that it ran, and compares verdicts and estimates.

The run has the same tests, model, revision, layer, data type, profile and seed, and it uses no kept results. Estimates
agree if they differ by no more than the drift that the report states: how far a margin moves if its trial runs in
another batch, or in float32. The exit code is 0 if the runs agree, 1 if they diverge, and 2 if they cannot be compared.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from referee.errors import InstrumentFault, OtherSubject, UnreadableReport
from reports import differences
from reports.commands.claims import ROOT, run_claims
from reports.models import ClaimEntry, Estimate, Report
from reports.reading import read

HELP = "run again what a report says that it ran"
ROUNDING = 1e-5
"""Drift of a report that states none, or a smaller one. Numbers in float32 have about seven digits."""
_JUDGED = (0, 1)
"""Exit codes of a run that judged its claims."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, metavar="report.json")
    parser.add_argument("--model", help="where the same model is on this machine (default: as in the report)")
    parser.add_argument("--device", help="another device (default: as in the report)")
    parser.add_argument("--drift", type=float, help="largest difference of estimates (default: as the report states)")


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
    allowed = drift(before) if given.drift is None else given.drift
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


def drift(report: Report) -> float:
    """Returns how far an estimate may move in a replay: the drift of the margins, and at least rounding."""
    margins = report.margins
    return max(ROUNDING, margins.alone, margins.precise or 0.0) if margins else ROUNDING


def divergences(before: Report, after: Report, allowed: float) -> Iterator[str]:
    """Yields one line for each claim, part and headline in which a replay differs by more than `allowed`."""
    for id, where in differences.claims_in_one(before, after):
        yield f"{id} is {where} run"
    for old, new in differences.claims_in_both(before, after):
        if old.verdict is not new.verdict:
            yield f"{old.id} is {new.verdict}, and {old.verdict} in the report"
        yield from _estimates(old, new, allowed)
    others = {(headline.theory, headline.number): headline.verdict for headline in after.headlines}
    for headline in before.headlines:
        verdict = others.get((headline.theory, headline.number), "not judged")
        if verdict != headline.verdict:
            yield f"headline {headline.number} is {verdict}, and {headline.verdict} in the report"


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
    return one.n == other.n and all(abs(a - b) <= allowed * max(1.0, abs(a)) for a, b in both)


def _exactly(estimate: Estimate | None) -> str:
    if estimate is None:
        return "not measured"
    return f"{estimate.value:.7g} [{estimate.low:.7g}, {estimate.high:.7g}], n = {estimate.n}"
