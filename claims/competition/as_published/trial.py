"""Puts the published method on trial: its calls, and those with each deviation alone, on models of known truth.

python -m claims.competition.as_published.trial --models planted:graded,planted:heads
python -m claims.competition.as_published.trial --record     every model; writes trial.json into this folder

Each model is written as soon as it is judged. So an interrupted recording continues, unless the code has changed since.
On one prompt nothing is random. Methods with many prompts draw these and the heads with one seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from claims.competition.as_published.methods import (
    AS_PUBLISHED,
    AS_STATED,
    OF_DOCUMENT,
    SWITCHES,
    Method,
    turned_one_by_one,
)
from claims.competition.as_published.published import CLAIMS
from claims.competition.ground_truth import TRUTH
from claims.trial import Call, Counts, tally
from fixtures.record import code_digest, digest
from referee.judging.verdict import Verdict

RECORD = Path(__file__).parent / "trial.json"
_PAIRS = 20
"""The number of pairs among which a method with many prompts looks for the bug."""
_LAYERS_AWAY = 3
"""The distance of the other layers, as in the quick profile of the suite."""
Verdicts = Mapping[str, Mapping[str, str]]
"""The verdict of each method on each claim of one model, by the method's name and the claim's id."""


def methods() -> dict[str, Method]:
    """Returns both methods, and each deviation turned on or off alone, by name."""
    return {
        "as stated": AS_STATED,
        **{f"as stated, but {SWITCHES[name]}": method for name, method in turned_one_by_one(AS_STATED)},
        "as published": AS_PUBLISHED,
        **{f"as published, without {SWITCHES[name]}": method for name, method in turned_one_by_one(AS_PUBLISHED)},
    }


def judge(model: str, methods: Mapping[str, Method], seed: int = 0) -> Verdicts:
    """Returns the call of each method on each claim, on one model, with the prompts of the seed document."""
    from claims.competition.as_published.comparison import compare
    from claims.competition.prompts import pairs
    from claims.competition.study import STUDY
    from referee.measuring.session import Session
    from referee.models import subjects

    name = f"{model}:{seed}" if model in TRUTH.seeded else model
    assert STUDY.depth is not None, "the theory names a layer"
    session = Session(subjects.load(name, depth=STUDY.depth, builders=STUDY.builders))
    layers = [session.layer + away for away in (-_LAYERS_AWAY, _LAYERS_AWAY)]
    # Planted models write a bare number and no sentence, so the checker must accept bare numbers, as for Pythia-160M.
    found = compare(session, methods.values(), OF_DOCUMENT, pairs(_PAIRS, seed=seed), layers, bare=True, seed=seed)
    return {name: {claim.id: str(found.calls[method, claim]) for claim in CLAIMS} for name, method in methods.items()}


def counts(verdicts: Mapping[str, Verdicts], method: str) -> dict[str, Counts]:
    """Returns the numbers of calls of a method by claim, as `claims.trial.tally` counts those of the suite."""
    return tally(
        Call(model, 0, claim_id, Verdict(verdict), TRUTH.right(claim_id, model))
        for model, found in verdicts.items()
        for claim_id, verdict in found[method].items()
    )


def summary(verdicts: Mapping[str, Verdicts]) -> str:
    """Returns one line for each method: its false support and false refutation, by claim and over all claims."""
    rows = [("", *(claim.id for claim in CLAIMS), "all"), *rates(verdicts)]
    lines = [f"{name:<57}" + "".join(f"{cell:<14}" for cell in cells).rstrip() for name, *cells in rows]
    return "\n".join([f"false support and false refutation on {len(verdicts)} models", *lines])


def rates(verdicts: Mapping[str, Verdicts]) -> list[tuple[str, ...]]:
    """Returns for each method: its name, its false support and false refutation of each claim, and those of all."""
    rows = []
    for name in methods():
        by_claim = counts(verdicts, name)
        rows.append((name, *(_rates([by_claim[claim.id]]) for claim in CLAIMS), _rates(by_claim.values())))
    return rows


def _rates(found: Iterable[Counts]) -> str:
    """Returns the false support of claims that are not true, and the false refutation of true ones: "1/9 12/17"."""
    totals: Counter[str] = sum(map(Counter, found), Counter())
    not_true = totals["calls"] - totals["true"]
    return f"{totals['false_support']}/{not_true} {totals['false_refutation']}/{totals['true']}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the calls and the error rates, and returns 0."""
    parser = argparse.ArgumentParser(prog="python -m claims.competition.as_published.trial", description=__doc__)
    parser.add_argument("--models", default="", help="comma-separated prefixes of model names (default: all)")
    parser.add_argument("--record", action="store_true", help="write trial.json into this folder")
    options = parser.parse_args(arguments)
    chosen = [model for model in TRUTH.models if model.startswith(tuple(options.models.split(",")))]
    digests = {"theory": digest("competition"), "code": code_digest("competition")}
    verdicts = dict(recorded(digests["code"])) if options.record else {}
    for model in chosen:
        if model not in verdicts:
            verdicts[model] = judge(model, methods())
            if options.record:
                RECORD.write_text(json.dumps(digests | {"models": verdicts}, indent=1) + "\n", encoding="utf-8")
        for name, found in verdicts[model].items():
            print(f"{model}, {name}: " + " ".join(f"{id} {Verdict(call).sign}" for id, call in found.items()))
        sys.stdout.flush()
    print(summary({model: verdicts[model] for model in chosen}))
    return 0


def recorded(code: str | None = None) -> Mapping[str, Verdicts]:
    """Returns the recorded verdicts by model. Returns {} without a record, or if the theory has changed since.

    With the digest `code`, it also returns {} if the record was made with other code.
    """
    if not RECORD.exists():
        return {}
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    same = record["theory"] == digest("competition") and code in (None, record["code"])
    return record["models"] if same else {}


if __name__ == "__main__":
    sys.exit(main())
