"""Measures how often the claims of a theory get a wrong verdict, on simulated tables whose truth is known.

python -m claims.operating                          every claim, 500 tables at each place, profile quick
python -m claims.operating --profiles quick,standard,full --record   writes operating.json; reports quote it
python -m claims.operating --tables 40 --check      fails if an error rate is clearly above 5 %
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from claims.simulations import EDGE, INSIDE, OUTSIDE, PLACES, simulations_of
from fixtures.discovery import only_theory_on_trial, theories
from fixtures.options import PROFILES, Settings
from fixtures.record import code_digest, digest, operating_of
from referee.judging.statistics import proportion
from referee.judging.verdict import Verdict

Counts = dict[str, int]
LARGEST_ERROR = 0.05
"""The largest rate of false support and of false refutation."""


def measure(theory: str, claim_id: str, profile: str, tables: int, seed: int = 0) -> dict[str, Counts]:
    """Judges a claim on `tables` simulated tables at each place of the truth. Returns the verdicts' counts by place."""
    simulation = simulations_of(theory)[claim_id]
    settings = Settings("simulated", None, None, "cpu", "float32", seed, profile, Path("unused"))
    counts: dict[str, Counts] = {}
    for place, name in PLACES.items():
        rng = np.random.default_rng([seed, zlib.crc32(f"{claim_id} {profile} {name}".encode())])
        found = [simulation.finding(rng, settings, place, theories()[theory]).verdict for _ in range(tables)]
        counts[name] = {verdict.value: found.count(verdict) for verdict in Verdict if verdict in found}
    return counts


def rates(counts: Mapping[str, Counts], *, true_at_edge: bool) -> dict[str, tuple[int, int]]:
    """Returns false support, false refutation and power, each as (count, tables).

    False support is counted outside, and at the edge unless the claim is true there. False refutation is counted
    inside, and at the edge if the claim is true there. Power is the share of SUPPORTED inside.
    """

    def at(place: int, verdict: Verdict) -> tuple[int, int]:
        found = counts[PLACES[place]]
        return found.get(verdict.value, 0), sum(found.values())

    false_support, false_refutation = [at(OUTSIDE, Verdict.SUPPORTED)], [at(INSIDE, Verdict.REFUTED)]
    if true_at_edge:
        false_refutation.append(at(EDGE, Verdict.REFUTED))
    else:
        false_support.append(at(EDGE, Verdict.SUPPORTED))
    return {
        "false_support": max(false_support),
        "false_refutation": max(false_refutation),
        "power": at(INSIDE, Verdict.SUPPORTED),
    }


def too_many(errors: int, tables: int) -> bool:
    """Returns True if an error rate is clearly above 5 %: the exact interval of the rate lies above it."""
    return proportion(errors, tables).low > LARGEST_ERROR


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one line for each claim and profile. With --check, returns 1 if an error rate is clearly above 5 %."""
    options = _parser().parse_args(arguments)
    simulations = simulations_of(options.theory)
    wanted = [name for name in simulations if not options.claims or name in options.claims.split(",")]
    jobs = [(claim_id, profile) for profile in options.profiles.split(",") for claim_id in wanted]
    record: dict[str, dict[str, dict[str, tuple[int, int]]]] = {claim_id: {} for claim_id in wanted}
    bad = 0
    print(f"{'claim':<6} {'profile':<9} {'false support':>14} {'false refutation':>17} {'power':>7}")
    with ProcessPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(measure, options.theory, *job, options.tables, options.seed) for job in jobs]
        for (claim_id, profile), future in zip(jobs, futures, strict=True):
            found = rates(future.result(), true_at_edge=simulations[claim_id].claim.criterion.closed)
            record[claim_id][profile] = found
            wrong = [name for name in ("false_support", "false_refutation") if too_many(*found[name])]
            bad += bool(wrong)
            shares = [f"{k / n:.1%}" for k, n in found.values()]
            print(f"{claim_id:<6} {profile:<9} {shares[0]:>14} {shares[1]:>17} {shares[2]:>7}"
                  f"{'   above 5 %' if wrong else ''}", flush=True)  # fmt: skip
    if options.record:
        digests = {"theory": digest(options.theory), "code": code_digest(options.theory)}
        content = {**digests, "tables": options.tables, "claims": record}
        operating_of(options.theory).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return int(options.check and bad > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m claims.operating", description="Judges simulated tables.")
    only = only_theory_on_trial()
    parser.add_argument("--theory", choices=list(theories()), default=only, required=only is None,
                        help="folder in claims/ (default: the theory on trial)")  # fmt: skip
    parser.add_argument("--profiles", default="quick", help=f"comma-separated, of {', '.join(PROFILES)}")
    parser.add_argument("--tables", type=int, default=500, help="tables at each place of the truth (default: 500)")
    parser.add_argument("--claims", help="comma-separated ids (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="number of processes (default: 1)")
    parser.add_argument("--check", action="store_true", help="fail if an error rate is clearly above 5 %%")
    parser.add_argument("--record", action="store_true", help="write operating.json into the theory's folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
