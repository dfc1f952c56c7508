"""The works of every causal claim, ours beside the peers': `pytest benchmarks/test_sweeps.py`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import race, works
from benchmarks.environments import PEERS, python_of
from benchmarks.race import Runner

ROUNDS = 5
FEW = 20
"""Trials of a turn of what runs them one by one; they cost the same each."""
ONE_BY_ONE = {
    "nnsight, one trace a trial": "with_nnsight:each",
    "TransformerLens, one run a trial": "with_transformer_lens:each",
    "pyvene, one call a trial": "with_pyvene:each",
}
BATCHED = {
    "nnsight, trials as rows": "with_nnsight:batched",
    "TransformerLens, trials as rows": "with_transformer_lens:batched",
    "pyvene, trials as rows": "with_pyvene:batched",
    "ours": "with_bandwidth:sweep",
    "ours, without oneDNN": "with_bandwidth:without_onednn",
}
OURS = "ours"
FLOOR = "floor: the matrix products alone"
READ = {
    "nnsight, one trace a prompt": "with_nnsight:read_each",
    "TransformerLens, one run with cache a prompt": "with_transformer_lens:read_each",
    "ours": "with_bandwidth:read",
}
CLOSE = 1e-3
"""Logits; what finds other margins does other work."""


def there(ways: dict[str, str]) -> dict[str, str]:
    """The ways whose environment has been made."""
    missing = [peer for peer in PEERS if not python_of(peer).exists()]
    return {name: way for name, way in ways.items() if not any(peer in way for peer in missing)}


@pytest.mark.parametrize("last_row", [False, True], ids=["all rows", "last row"])
def test_sweep(last_row, benchmark, subject, folder, tmp_path, show):
    """200 edited trials of one prompt."""
    work = works.sweep(subject, folder, last_row=last_row)
    few = replace(work, patterns=work.patterns[:FEW], expected=work.expected[:FEW])
    for name, some in (("all", work), ("few", few)):
        some.save(tmp_path / name)
    runners = {name: Runner(way, tmp_path / "few", FEW, few.expected) for name, way in there(ONE_BY_ONE).items()}
    count = len(work.patterns)
    runners |= {name: Runner(way, tmp_path / "all", count, work.expected) for name, way in there(BATCHED).items()}
    runners[FLOOR] = Runner("with_torch:floor", tmp_path / "all", count, None)
    assert {name: r.off for name, r in runners.items() if r.off is not None and r.off > CLOSE} == {}

    race.run(benchmark, runners, OURS, ROUNDS)

    flops = runners[FLOOR].found.item()
    rate = flops / runners[FLOOR].milliseconds / 1e6
    told = f"{len(work.ids)} tokens; floor: {flops / 1e9:.2f} GFLOP a trial at {rate:.0f} GFLOP/s"
    show(f"{'last row' if last_row else 'all rows'}, {told}", race.table(runners, "trial"))
    for runner in runners.values():
        runner.close()


def test_reading(benchmark, subject, folder, tmp_path, show):
    """Patterns of five layers for 60 prompts."""
    work = works.reading(subject, folder)
    work.save(tmp_path / "work")
    count = len(work.prompts)
    runners = {name: Runner(way, tmp_path / "work", count, work.expected) for name, way in there(READ).items()}
    assert {name: r.off for name, r in runners.items() if r.off is not None and r.off > CLOSE} == {}

    race.run(benchmark, runners, "ours", ROUNDS)

    show(f"reading layers {work.layers} of {count} prompts", race.table(runners, "prompt"))
    for runner in runners.values():
        runner.close()
