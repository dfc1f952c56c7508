"""Runs the tests of a theory's claims on models whose truth is known, and counts the right verdicts.

python -m claims.trial                      every model, 5 seeds, profile quick
python -m claims.trial --theory competition --seeds 1 --models planted,random
python -m claims.trial --record             writes trial.json into the theory's folder; reports quote it
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import pytest

from claims.expectations import GroundTruth
from fixtures.discovery import folder_of, only_theory_on_trial, theories
from fixtures.options import DTYPE_CHOICES, PROFILES, ROOT
from fixtures.record import code_digest, digest, record_of
from referee.judging.verdict import Verdict

Counts = dict[str, int]


@dataclass(frozen=True)
class Call:
    """The verdict on one claim for one model and seed.

    Attributes:
        expected: the verdicts that are right for this model.
        fault: the reason for the verdict ERROR.
    """

    model: str
    seed: int
    claim_id: str
    verdict: Verdict
    expected: frozenset[Verdict]
    fault: str | None = None

    @property
    def right(self) -> bool:
        return self.verdict in self.expected

    @property
    def is_true(self) -> bool:
        """True if the claim is true on this model."""
        return Verdict.SUPPORTED in self.expected


def truth_of(theory: str) -> GroundTruth:
    """Returns the ground truth of the theory in a folder of claims/."""
    truth: GroundTruth = import_module(f"claims.{theory}.ground_truth").TRUTH
    return truth


def judge(
    theory: str, model: str, seed: int, profile: str = "quick", dtype: str = "auto", only: str | None = None
) -> list[Call]:
    """Runs the claims of a theory on one model as a user does, and reads the verdicts from the report.

    `dtype` is the data type of the weights. `only` selects claims, like pytest's option `-k`. Raises RuntimeError if
    the run writes no report.
    """
    truth = truth_of(theory)
    name = f"{model}:{seed}" if model in truth.seeded else model
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as terminal:
        options = ["--model", name, "--seed", str(seed), "--profile", profile, "--report", f"{folder}/report"]
        options += ["--dtype", dtype, "--no-cache", "--no-figures", *(["-k", only] if only else [])]
        pytest.main(["--rootdir", str(ROOT), "-p", "no:cacheprovider", *options, str(folder_of(theory))])
        try:
            report = json.loads(Path(folder, "report", "report.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RuntimeError(f"No report on {name}:\n{terminal.getvalue()}") from None
    calls = []
    for claim in report["claims"]:
        verdict = Verdict(claim["verdict"])
        fault = claim["reason"] if verdict is Verdict.ERROR else None
        calls.append(Call(model, seed, claim["id"], verdict, truth.right(claim["id"], model), fault))
    return calls


def matrix(calls: Sequence[Call]) -> str:
    """Returns a table of model × claim with one sign per seed. A wrong verdict is followed by an exclamation mark."""
    claim_ids = list(dict.fromkeys(call.claim_id for call in calls))
    width = 1 + max(4, 2 * len({call.seed for call in calls}))
    lines = [f"{'model':<29}" + "".join(f"{claim_id:<{width}}" for claim_id in claim_ids)]
    for model in dict.fromkeys(call.model for call in calls):
        cells = []
        for claim_id in claim_ids:
            found = [call for call in calls if (call.model, call.claim_id) == (model, claim_id)]
            cells.append("".join(call.verdict.sign + ("" if call.right else "!") for call in found))
        lines.append(f"{model:<29}" + "".join(f"{cell:<{width}}" for cell in cells))
    return "\n".join(lines)


def tally(calls: Iterable[Call]) -> dict[str, Counts]:
    """Returns the numbers of verdicts by claim: all, right, false support and false refutation.

    `true` is the number of verdicts on models on which the claim is true. `models` is the number of different models.
    """
    counts: dict[str, Counts] = {}
    models: dict[str, set[str]] = {}
    for call in calls:
        count = counts.setdefault(call.claim_id, dict.fromkeys(_COUNTS, 0))
        count["calls"] += 1
        count["right"] += call.right
        count["true"] += call.is_true
        count["false_support"] += not call.is_true and call.verdict is Verdict.SUPPORTED
        # Where the truth lies close to the threshold, several verdicts are right.
        count["false_refutation"] += call.is_true and not call.right and call.verdict is Verdict.REFUTED
        models.setdefault(call.claim_id, set()).add(call.model)
    return {claim_id: count | {"models": len(models[claim_id])} for claim_id, count in counts.items()}


_COUNTS = ("calls", "right", "true", "false_support", "false_refutation")


def mistakes(calls: Iterable[Call]) -> str:
    """Returns one line for each wrong verdict, with the verdicts that would be right. Ends with an empty line."""
    lines = [
        f"wrong: {call.model}, seed {call.seed}, claim {call.claim_id}: {call.verdict}"
        f"{f' ({call.fault})' if call.fault else ''}; right: {' or '.join(sorted(call.expected))}"
        for call in calls
        if not call.right
    ]
    return "\n".join([*lines, "", ""]) if lines else ""


def summary(counts: dict[str, Counts]) -> str:
    """Returns one line per claim, with exact 95 % intervals of the error rates."""
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
    """Prints the table and the error rates. Returns 1 if any verdict was wrong, else 0."""
    options = _parser().parse_args(arguments)
    if options.record and options.dtype != "auto":
        sys.exit(f"--record needs the default data type; got --dtype {options.dtype}. Leave one of them out.")
    wanted = tuple(options.models.split(",")) if options.models else ("",)
    models = [model for model in truth_of(options.theory).models if model.startswith(wanted)]
    fixed = (options.profile, options.dtype)
    jobs = [(options.theory, model, seed, *fixed) for model in models for seed in range(options.seeds)]
    calls: list[Call] = []
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for (_, model, seed, *_), found in zip(jobs, pool.map(judge, *zip(*jobs, strict=True)), strict=True):
            calls += found
            if seed == options.seeds - 1:
                print(matrix([call for call in calls if call.model == model]).splitlines()[-1], flush=True)
    counts = tally(calls)
    print(f"\n{matrix(calls)}\n\n{mistakes(calls)}{summary(counts)}\n")
    if options.record:
        record = {
            "theory": digest(options.theory),
            "code": code_digest(options.theory),
            "seeds": options.seeds,
            "profile": options.profile,
            "claims": counts,
        }
        record_of(options.theory).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return int(not all(call.right for call in calls))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m claims.trial", description="Judges models of known truth.")
    only = only_theory_on_trial()
    parser.add_argument("--theory", choices=list(theories()), default=only, required=only is None,
                        help="folder in claims/ (default: the theory on trial)")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (default: 5)")
    parser.add_argument("--profile", default="quick", choices=list(PROFILES))
    parser.add_argument("--dtype", default="auto", choices=DTYPE_CHOICES, help="data type of the weights")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes (default: 1)")
    parser.add_argument("--models", help="comma-separated prefixes of model names (default: all)")
    parser.add_argument("--record", action="store_true", help="write trial.json into the theory's folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
