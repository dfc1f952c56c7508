"""Tests the suite itself: it judges models of known truth and counts the correct verdicts.

python -m claims.trial                      every model, 5 seeds, profile quick
python -m claims.trial --seeds 1 --models planted,random
python -m claims.trial --record             writes claims/trial.json, which reports then quote
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from claims.competition.ground_truth import CLAIM_IDS, TRUTHS, Truth

ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_name("competition") / "trial.json"
_SIGNS = {"SUPPORTED": "✓", "REFUTED": "✗", "INCONCLUSIVE": "?", "NOT APPLICABLE": "–", "ERROR": "!"}


@dataclass(frozen=True)
class Call:
    """One verdict: one claim on one model of known truth with one seed. `fault` is the reason for an ERROR."""

    truth: Truth
    seed: int
    claim_id: str
    verdict: str
    fault: str | None = None

    @property
    def right(self) -> bool:
        return self.truth.allows(self.claim_id, self.verdict)


def recorded(theory_digest: str) -> dict[str, dict[str, int]]:
    """Returns the recorded counts by claim. Returns {} if the record belongs to another theory or does not exist."""
    if not RECORD.exists():
        return {}
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    return record["claims"] if record["theory"] == theory_digest else {}


def judge(truth: Truth, seed: int, profile: str = "quick", only: str | None = None) -> list[Call]:
    """Runs the claims on one model, exactly as a user does, and reads the report.

    `only` selects claims, like the option `-k`. A random model gets new weights with every seed. The function raises
    RuntimeError if the run writes no report.
    """
    model = f"random:{seed}" if truth.model == "random" else truth.model
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as terminal:
        options = ["--model", model, "--seed", str(seed), "--profile", profile, "--report", f"{folder}/report"]
        options += ["--no-cache", *(["-k", only] if only else [])]
        pytest.main(["--rootdir", str(ROOT), "-p", "no:cacheprovider", *options, str(ROOT / "claims")])
        try:
            report = json.loads(Path(folder, "report", "report.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RuntimeError(f"No report on {model}:\n{terminal.getvalue()}") from None
    return [
        Call(truth, seed, claim["id"], claim["verdict"], claim["reason"] if claim["verdict"] == "ERROR" else None)
        for claim in report["claims"]
    ]


def matrix(calls: Sequence[Call]) -> str:
    """Returns a table of model × claim with one sign per seed. A wrong verdict is followed by an exclamation mark."""
    width = 1 + max(4, 2 * len({call.seed for call in calls}))
    lines = [f"{'model':<29}" + "".join(f"{claim_id:<{width}}" for claim_id in CLAIM_IDS)]
    for truth in dict.fromkeys(call.truth for call in calls):
        cells = []
        for claim_id in CLAIM_IDS:
            matching = [call for call in calls if (call.truth, call.claim_id) == (truth, claim_id)]
            cells.append("".join(_SIGNS[call.verdict] + ("" if call.right else "!") for call in matching))
        lines.append(f"{truth.model:<29}" + "".join(f"{cell:<{width}}" for cell in cells))
    return "\n".join(lines)


def tally(calls: Iterable[Call]) -> dict[str, dict[str, int]]:
    """Counts the verdicts by claim: all, right, false support and false refutation.

    `true` counts the models on which the claim is true. `models` counts different models.
    """
    counts = {claim_id: dict.fromkeys(_COUNTS, 0) for claim_id in CLAIM_IDS}
    models: dict[str, set[str]] = {claim_id: set() for claim_id in CLAIM_IDS}
    for call in calls:
        count, true = counts[call.claim_id], call.truth.expects(call.claim_id) == "SUPPORTED"
        count["calls"] += 1
        count["right"] += call.right
        count["true"] += true
        count["false_support"] += not true and call.verdict == "SUPPORTED"
        count["false_refutation"] += true and call.verdict == "REFUTED"
        models[call.claim_id].add(call.truth.model)
    return {claim_id: count | {"models": len(models[claim_id])} for claim_id, count in counts.items()}


_COUNTS = ("calls", "right", "true", "false_support", "false_refutation")


def smallest_effect(pairs: int, *, simulations: int = 300, seed: int = 0) -> float:
    """Returns the smallest distance from a threshold that the suite detects in 90 % of simulations.

    The unit is the standard deviation between pairs.
    """
    import numpy as np

    from referee.judging.statistics import mean_over_pairs
    from referee.judging.verdict import Verdict, above, decide

    samples = np.random.default_rng(seed).normal(size=(simulations, pairs))

    def power(effect: float) -> float:
        estimates = [mean_over_pairs(values + effect, seed=seed, resamples=999) for values in samples]
        return sum(decide(above(0), estimate) is Verdict.SUPPORTED for estimate in estimates) / simulations

    low, high = 0.0, 4.0
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= 0.9 else (middle, high)
    return high


def summary(counts: dict[str, dict[str, int]]) -> str:
    """Returns one line per claim, with Wilson's 95 % intervals."""
    from referee.judging.statistics import proportion

    def share(k: int, n: int) -> str:
        if n == 0:
            return "no case"
        found = proportion(k, n)
        return f"{k} of {n} [{found.low:.1%}, {found.high:.1%}]"

    lines = []
    for claim_id, count in counts.items():
        false_support = share(count["false_support"], count["calls"] - count["true"])
        false_refutation = share(count["false_refutation"], count["true"])
        lines.append(
            f"{claim_id}  right {count['right']} of {count['calls']} on {count['models']} models; "
            f"false support {false_support}; false refutation {false_refutation}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, the error rates and the power. Returns 1 if any verdict was wrong, else 0."""
    parser = argparse.ArgumentParser(prog="python -m claims.trial", description="Judges models of known truth.")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds (default: 5)")
    parser.add_argument("--profile", default="quick", choices=["quick", "standard", "full"])
    parser.add_argument("--models", help="comma-separated prefixes of model names (default: all)")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    options = parser.parse_args(arguments)
    wanted = tuple(options.models.split(",")) if options.models else ("",)
    truths = [truth for truth in TRUTHS if truth.model.startswith(wanted)]

    calls: list[Call] = []
    for truth in truths:
        for seed in range(options.seeds):
            calls += judge(truth, seed, options.profile)
        print(matrix([call for call in calls if call.truth == truth]).splitlines()[-1], flush=True)
    counts = tally(calls)
    print(f"\n{matrix(calls)}\n\n{summary(counts)}\n")
    from fixtures.options import PROFILES

    effects = {name: smallest_effect(profile.pairs) for name, profile in PROFILES.items()}
    for name, effect in effects.items():
        print(f"power: profile {name} calls {effect:.2f} standard deviations between pairs right 90 % of the time")
    if options.record:
        from fixtures.ledger import THEORY_DIGEST

        record = {"theory": THEORY_DIGEST, "seeds": options.seeds, "profile": options.profile}
        RECORD.write_text(
            json.dumps(record | {"claims": counts, "smallest_effect": effects}, indent=1) + "\n", encoding="utf-8"
        )
    return int(not all(call.right for call in calls))


if __name__ == "__main__":
    sys.exit(main())
