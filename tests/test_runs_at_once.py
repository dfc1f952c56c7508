"""Several subjects at once: one process and one report for each."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from runs import process, run

from conftest import tiny

OPTIONS = ("-k", "1.1b", "--profile=quick", "--no-figures")


@pytest.mark.slow
def test_two_runs_at_once_do_not_disturb_each_other(grouped, tmp_path):
    """Each of them gets the findings that it gets alone, also from the results that both have kept in one folder."""
    names = ["one", "other"]
    for seed, name in enumerate(names):
        subject = tiny("Llama", grouped, seed=seed)
        subject.model.save_pretrained(tmp_path / name)
        subject.tokenizer.save_pretrained(tmp_path / name)

    def report(name, folder, judge):
        place = tmp_path / "reports" / folder
        done = judge(*OPTIONS, f"--model={tmp_path / name}", f"--report={place}")
        assert done.code in (0, 1), done.output
        return json.loads((place / "report.json").read_text())

    def beside_the_other(name):
        env = {"REFEREE_CACHE": str(tmp_path / "cache"), "CUDA_VISIBLE_DEVICES": str(names.index(name))}
        return report(name, name, lambda *options: process("claims/", *options, env=env, timeout=280))

    with ThreadPoolExecutor() as pool:
        both, again = (list(pool.map(beside_the_other, names)) for _ in ("measured", "from kept results"))
    alone = [report(name, f"{name} alone", run) for name in names]

    assert [found["subject"]["name"] for found in both] == [str(tmp_path / name) for name in names]
    assert both[0]["claims"] != both[1]["claims"]
    for found, expected in zip([*both, *again], [*alone, *alone], strict=True):
        assert [claim["estimate"] for claim in found["claims"]] == [claim["estimate"] for claim in expected["claims"]]
        assert (found["complete"], len(found["claims"]), bool(found["claims"][0]["estimate"])) == (True, 1, True)
    left = {path.name for path in (tmp_path / "reports").iterdir()}
    assert left == {*names, *(f"{name} alone" for name in names)}
