"""The token view in a real browser: what is shown first, and what each choice changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sample_reports import BAD, entry, found, report_of
from sample_views import TEXTS, sample_view

from referee.judging.evidence import Counterexample
from reports.page import html

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


def report() -> str:
    """Returns the page of a report with the sample view."""
    return html(report_of(found(), views=(sample_view(),)))


@pytest.fixture
def shown(opened):
    """Returns this page, opened in a browser."""
    return opened(report())


def parts(page: Page) -> list[str]:
    """Returns the number under each token."""
    return page.locator(".token .part").all_inner_texts()


def numbers(page: Page) -> list[str]:
    """Returns the share on the numbers: from the chosen token, and from all tokens."""
    return [text.strip() for text in page.locator(".shares tr.main td").all_inner_texts()]


def token(page: Page, place: int) -> Locator:
    return page.locator(".token input").nth(place)


def test_the_last_token_and_the_first_group_of_heads_are_shown_first(shown):
    """Heads 0 and 2 put 0.2 and 0.6 on the numbers. The other four rows attend to themselves, three are numbers."""
    assert parts(shown) == ["0.60", "0.20", "0.10", "0.10", "0"]
    assert numbers(shown) == ["0.40", "0.68"]
    assert "Layer 1, mean of the even heads: token 5, “A:”, gives 0.40 of its" in shown.locator(".state").inner_text()
    assert shown.locator(".answer").inner_text() == "Unedited, margin −0.50 logits: the wrong answer, 9.11."
    assert shown.locator(".token").evaluate_all("all => all.map(t => Number(t.style.getPropertyValue('--share')))") == [
        pytest.approx(share**0.5, abs=0.005) for share in (0.6, 0.2, 0.1, 0.1, 0)
    ]


def test_every_head_shows_its_bandwidth(shown):
    """The number of a head is its share over all tokens: three tokens attend to a number, the last one to a part."""
    found = shown.locator(".head .value").all_inner_texts()

    assert found == ["0.68", "0.64", "0.72", "0.72", "0.68", "0.76"]
    assert shown.locator(".head input").nth(2).get_attribute("aria-label") == "head 2, numerical bandwidth 0.72"


def test_a_token_is_chosen_by_click_and_by_arrow_key(shown):
    """Tokens after the chosen one get no attention, because they come later."""
    token(shown, 2).click()
    assert parts(shown) == ["0", "0", "1.00", "–", "–"]

    shown.keyboard.press("ArrowLeft")
    assert parts(shown) == ["0", "1.00", "–", "–", "–"]
    assert token(shown, 1).evaluate("input => input === document.activeElement")
    assert token(shown, 3).get_attribute("aria-label") == "<b>8</b>, numbers, comes later"


def test_a_head_and_a_layer_are_chosen(shown):
    """At layer 0 no head attends to the numbers, and the edit of layer 1 cannot be chosen."""
    shown.locator(".head input").nth(5).click()
    assert numbers(shown) == ["0.80", "0.76"]

    shown.locator(".layers").select_option("0")
    assert numbers(shown) == ["0", "0.60"]
    assert shown.locator(".edits input").first.is_disabled()
    assert "Edits change layer 1 only." in shown.locator(".answer").inner_text()


def test_an_edit_shows_before_and_after(shown):
    """The table has both shares, the tokens show the pattern after the edit, and the answer turns."""
    shown.get_by_label("60 % of the pattern of Simple").check()

    assert numbers(shown) == ["0.40 → 0.90", "0.68 → 0.78"]
    assert parts(shown)[0] == "0.10"
    assert "After the edit, margin +0.25 logits: the right answer, 9.8." in shown.locator(".answer").inner_text()
    shown.locator("details", has=shown.locator(".by-token")).locator("summary").click()
    assert shown.locator(".by-token tr").nth(2).inner_text().split("\t") == ["2", "9", "numbers", "0.20 → 0.45"]


def test_another_prompt_begins_with_its_last_token(shown):
    """It has its own tokens, and no edit."""
    shown.locator(".prompts").select_option(label="Simple: 9.8 or 9.11")

    assert parts(shown) == ["0.30", "0.70"]
    assert shown.locator(".edits input").count() == 1


def test_a_hostile_token_is_only_text(shown):
    """The text of a token may look like markup."""
    assert shown.locator(".token bdi").all_inner_texts() == list(TEXTS)


def test_without_the_script_the_first_state_is_shown(opened):
    """The tokens, the shares and the table need no script."""
    page = opened(report(), java_script_enabled=False)

    assert parts(page) == ["0.60", "0.20", "0.10", "0.10", "0.00"]
    assert numbers(page) == ["0.40", "0.68"]
    assert page.locator(".choices").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_is_accessible_and_narrow(opened, scheme):
    """Axe finds no violation of WCAG 2.1 AA, also with an edit and tokens that come later. 390 pixels are enough."""
    from axe_playwright_python.sync_playwright import Axe

    shown = opened(report(), width=390, color_scheme=scheme)
    shown.get_by_label("60 % of the pattern of Simple").check()
    token(shown, 3).click()
    shown.locator("details", has=shown.locator(".by-token")).locator("summary").click()

    result = Axe().run(shown, context=".token-view", options=RULES)

    assert result.violations_count == 0, result.generate_report()
    assert shown.evaluate("document.documentElement.scrollWidth") == 390


def test_the_tokens_of_a_counterexample_have_a_legend():
    """Each category in the prompt has a line of its own, and its name is read aloud with the token."""
    claim = entry(found(BAD, counterexample=Counterexample("Q&A fails")))
    claim = claim.model_copy(update={"counterexample_tokens": sample_view().prompts[0].tokens})
    shown = html(report_of().model_copy(update={"claims": (claim,)}))

    assert re.findall(r"</b> (numbers|format|other)", shown) == ["numbers", "format"]
    assert shown.count("(numbers)") == 3
    assert "<bdi>&lt;b&gt;8&lt;/b&gt;</bdi>" in shown
