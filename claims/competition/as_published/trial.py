"""Puts the published method on trial: its calls, and those with each deviation alone, on models of known truth.

python -m claims.competition.as_published.trial --models planted:graded,planted:heads
python -m claims.competition.as_published.trial --record     every model; writes trial.json into this folder

An interrupted recording continues, because each model is written as soon as it is judged.
"""

from __future__ import annotations

import argparse
import json
import sys
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
from fixtures.record import digest
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


def judge(model: str, seed: int = 0) -> Verdicts:
    """Returns what each method calls each claim on a model, with the prompts of the seed document."""
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
    found = compare(session, methods().values(), OF_DOCUMENT, pairs(_PAIRS, seed=seed), layers, bare=True, seed=seed)
    return {name: {claim.id: str(found.calls[method, claim]) for claim in CLAIMS} for name, method in methods().items()}


def counts(verdicts: Mapping[str, Verdicts], method: str) -> dict[str, Counts]:
    """Returns the numbers of calls of a method by claim, as `claims.trial.tally` counts those of the suite."""
    return tally(
        Call(model, 0, claim_id, Verdict(verdict), TRUTH.right(claim_id, model))
        for model, found in verdicts.items()
        for claim_id, verdict in found[method].items()
    )


def summary(verdicts: Mapping[str, Verdicts]) -> str:
    """Returns one line for each method: its false support and false refutation, by claim and over all claims."""
    names = list(methods())
    width = max(map(len, names)) + 2
    lines = [
        f"false support and false refutation on {len(verdicts)} models",
        f"{'':{width}}" + "".join(f"{claim.id:<16}" for claim in CLAIMS) + "all",
    ]
    for name in names:
        by_claim = counts(verdicts, name)
        cells = [_rates([by_claim[claim.id]]) for claim in CLAIMS] + [_rates(by_claim.values())]
        lines.append(f"{name:<{width}}" + "".join(f"{cell:<16}" for cell in cells).rstrip())
    return "\n".join(lines)


def _rates(found: Iterable[Counts]) -> str:
    """Returns "false support of false claims, false refutation of true claims", such as "1/9 12/17"."""
    counted = list(found)
    totals = {
        key: sum(count[key] for count in counted) for key in ("calls", "true", "false_support", "false_refutation")
    }
    false = totals["calls"] - totals["true"]
    return f"{totals['false_support']}/{false} {totals['false_refutation']}/{totals['true']}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the calls and the error rates, and returns 0."""
    parser = argparse.ArgumentParser(prog="python -m claims.competition.as_published.trial", description=__doc__)
    parser.add_argument("--models", default="", help="comma-separated prefixes of model names (default: all)")
    parser.add_argument("--record", action="store_true", help="write trial.json into this folder")
    options = parser.parse_args(arguments)
    chosen = [model for model in TRUTH.models if model.startswith(tuple(options.models.split(",")))]
    verdicts = dict(recorded()) if options.record else {}
    for model in chosen:
        if model not in verdicts:
            verdicts[model] = judge(model)
            if options.record:
                record = {"theory": digest("competition"), "models": verdicts}
                RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        for name, found in verdicts[model].items():
            print(f"{model}, {name}: " + " ".join(f"{id} {Verdict(call).sign}" for id, call in found.items()))
        sys.stdout.flush()
    print(summary({model: verdicts[model] for model in chosen}))
    return 0


def recorded() -> Mapping[str, Verdicts]:
    """Returns the recorded verdicts by model. Returns {} without a record, or if the theory has changed since."""
    if not RECORD.exists():
        return {}
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    return record["models"] if record["theory"] == digest("competition") else {}


if __name__ == "__main__":
    sys.exit(main())
