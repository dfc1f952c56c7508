"""Hostile text, such as the name of a model or a prompt, makes no markup and does not change how other text is shown.

This is true of the page, summary.md, ctrf.json, JUnit XML and the terminal.
"""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from xml.etree import ElementTree

import pytest
from runs import run
from sample_reports import BAD, found, options, report_of

from reports import page
from reports.characters import readable
from reports.ctrf import ctrf
from reports.summary import summary

TURNED = "\u202e"
"""The text after this character is written from right to left."""
HOSTILE = f"<script>alert(1){TURNED}txt\x1b[31m&lt;{'n' * 150}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (TURNED + "txt", r"\u202etxt"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\r\nb\tc", "a\\r\nb\tc"),
        ("\udcff", r"\udcff"),
        ("9.8 ≥ 9.11 · Ünï שלום 日本 👍🏽", "9.8 ≥ 9.11 · Ünï שלום 日本 👍🏽"),
    ],
)
def test_only_characters_that_change_other_text_are_escaped(text, shown):
    """Letters of all scripts stay, and a text that was escaped once is not changed again."""
    assert readable(text) == shown
    assert readable(shown) == shown


def test_the_escaped_characters_are_complete():
    """They are all control characters except tab and line feed, all surrogates, and all that change the direction."""
    directions = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    every = list(map(chr, range(sys.maxunicode + 1)))
    expected = [
        c for c in every if unicodedata.category(c) in ("Cc", "Cs") or unicodedata.bidirectional(c) in directions
    ]

    assert [c for c in every if readable(c) != c] == [c for c in expected if c not in "\n\t"]


def is_harmless(text):
    """Checks that a text has no markup of the hostile text, and none of its control characters."""
    assert "<script>alert" not in text
    assert TURNED not in text
    assert "\x1b[31m" not in text


def test_hostile_text_in_a_report():
    """The name of a model, a counterexample, a note and the command are text everywhere."""
    finding = found(BAD, counterexample=f"the prompt {HOSTILE}", notes=(HOSTILE,))

    report = report_of(finding, options=options(model=HOSTILE), command=f"pytest --model {HOSTILE}")

    for text in (page.html(report), summary(report)):
        is_harmless(text)
        assert r"&lt;script&gt;alert(1)" in text
        assert r"\u202etxt" in text
    assert TURNED not in ctrf(report)
    assert json.loads(ctrf(report))["results"]["environment"]["appName"] == readable(HOSTILE)


def test_a_run_on_a_model_with_a_hostile_name(llama_folder, tmp_path):
    """The run judges its claim, and prints and writes no control character of the name."""
    shutil.copytree(llama_folder, tmp_path / HOSTILE)

    done = run(f"--model={tmp_path / HOSTILE}", "-k", "headline2", "--no-figures", f"--report={tmp_path / 'r'}",
               f"--junitxml={tmp_path / 'junit.xml'}")  # fmt: skip

    assert done.code in (0, 1), done.output
    assert TURNED not in done.output
    assert "\x1b[31m" not in done.output
    for name in ("index.html", "summary.md"):
        is_harmless((tmp_path / "r" / name).read_text(encoding="utf-8"))
    assert TURNED not in (tmp_path / "r" / "ctrf.json").read_text(encoding="utf-8")
    xml = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert len(list(xml.iter("testcase"))) == 3
    assert TURNED not in ElementTree.tostring(xml, encoding="unicode")
    report = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    assert report["options"]["model"] == readable(str(tmp_path / HOSTILE))


def test_a_fault_with_a_hostile_name(tmp_path):
    """The line about a model that cannot be loaded is harmless, too."""
    (tmp_path / HOSTILE).mkdir()

    done = run(f"--model={tmp_path / HOSTILE}", "-k", "headline2", f"--report={tmp_path / 'r'}")

    assert done.code == 1, done.output
    assert "fault: " in done.output
    assert TURNED not in done.output
    assert "\x1b[31m" not in done.output
