"""The plugin for measurements of whole runs lets every experiment run on a model without the bug."""

from __future__ import annotations

import pytest
from runs import run

from benchmarks import every_experiment
from claims.competition import screening
from claims.competition.prompts import ORDERS


@pytest.mark.slow
def test_every_experiment_runs_on_random_weights(llama_folder, monkeypatch, tmp_path):
    """Without the plugin, a claim about the bug does not apply to them."""
    judge = (f"--model={llama_folder}", "-k", "4.1a", "--no-figures", f"--report={tmp_path / 'report'}")
    plain = run(*judge).output
    monkeypatch.setattr(screening, "orders_with_bug", screening.orders_with_bug)  # restores it after the test

    measured = run(*judge, plugins=(every_experiment,)).output

    assert "– NOT APPLICABLE 4.1a" in plain
    assert "and the verdicts mean nothing" in measured
    assert "NOT APPLICABLE 4.1a" not in measured
    assert "ERROR" not in measured
    assert screening.orders_with_bug(None) == ORDERS
