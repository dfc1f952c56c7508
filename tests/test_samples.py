"""The command that makes the sample reports and the picture of the README: docs/make_samples.py."""

from __future__ import annotations

import importlib.util

import pytest
from runs import ROOT
from sample_reports import found, options, written

from reports import page

BROWSER = """#!/bin/sh
for word in "$@"; do case "$word" in --screenshot=*) printf picture > "${word#--screenshot=}";; esac; done
"""
"""A browser that writes something for a picture."""


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """Returns the module of the command, in a folder of its own, where the two models have been judged."""
    spec = importlib.util.spec_from_file_location("make_samples", ROOT / "docs" / "make_samples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "bin").mkdir()
    for model in module.MODELS:
        written(tmp_path / "reports" / "samples" / model, found(), options=options(model=model))
    return module


def install(tmp_path, browser):
    (tmp_path / "bin" / "chromium").write_text(browser)
    (tmp_path / "bin" / "chromium").chmod(0o755)


def test_samples_and_picture_are_made_from_the_reports(samples, tmp_path, capsys):
    """Each page is the page of its report, and the command shows how large it is."""
    install(tmp_path, BROWSER)

    assert samples.main(["--render"]) == 0

    for model in samples.MODELS:
        report = page.read(tmp_path / "reports" / "samples" / model / "report.json")
        assert (tmp_path / "docs" / "samples" / f"{model}.html").read_text(encoding="utf-8") == page.html(report)
    assert (tmp_path / "docs" / "report.png").read_text() == "picture"
    assert "docs/samples/planted.html: 0.0 MB" in capsys.readouterr().out


def test_without_a_browser_nothing_runs(samples, tmp_path, capsys):
    """One line says what is missing."""
    assert samples.main([]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "A Chromium must be installed, because it makes the picture of the page; got none of chromium" in line
    assert not (tmp_path / "docs" / "samples").exists()


def test_a_browser_that_fails_gives_one_line(samples, tmp_path, capsys):
    """An old picture is not taken for a new one."""
    install(tmp_path, "#!/bin/sh\necho no display >&2\nexit 5\n")
    (tmp_path / "docs" / "report.png").write_text("old")

    assert samples.main(["--render"]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "The browser must write the picture; got exit code 5" in line
    assert "no display" in line
