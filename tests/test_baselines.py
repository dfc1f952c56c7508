"""The reports with which CI compares its verdicts fit the theories as they are."""

from __future__ import annotations

import pytest
from check_report import problems
from make_baselines import FOLDER, MODELS

from fixtures.discovery import theories
from fixtures.record import digest
from reports.reading import read


@pytest.mark.parametrize("model", MODELS)
def test_a_baseline_is_a_whole_report_of_the_theories_as_they_are(model):
    """It has a verdict for every claim, without errors, and on the planted model every verdict is right.

    After a change of a theory, `python tests/make_baselines.py` makes the baselines again.
    """
    report = read(FOLDER / f"{model}.json")

    assert report.options.model == model
    assert {theory.folder: theory.digest for theory in report.theories} == {name: digest(name) for name in theories()}
    assert problems(report) == []
