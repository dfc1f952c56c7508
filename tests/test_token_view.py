"""The token view in a real browser: what is shown first, and what each choice changes."""

from __future__ import annotations

import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright
from sample_reports import found, report_of
from sample_views import TEXTS, sample_view

from reports import page as pages

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    assert program, "The browser tests need Chromium; found no program chromium. Install the package chromium."
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Returns the page of a report with the sample view."""
    place = tmp_path_factory.mktemp("report") / "index.html"
    place.write_text(pages.html(report_of(found(), views=(sample_view(),))), encoding="utf-8")
    return place


@pytest.fixture
def shown(browser, file):
    """Yields the page. At the end it must have had no error and no request to a host."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert (problems, requests) == ([], [file.as_uri()])


def parts(page: Page) -> list[str]:
    """Returns the number under each token."""
    return page.locator(".token .part").all_inner_texts()


def numbers(page: Page) -> list[str]:
    """Returns the share on the numbers: from the chosen token, and from all tokens."""
    return [text.strip() for text in page.locator(".shares tr.main td").all_inner_texts()]


def token(page: Page, place: int):
    return page.locator(".token input").nth(place)


def test_the_last_token_and_the_first_group_of_heads_are_shown_first(shown):
    """Heads 0 and 2 put 0.2 and 0.6 on the numbers. The other four rows attend to themselves, three are numbers."""
    assert parts(shown) == ["0.60", "0.20", "0.10", "0.10", "0"]
    assert numbers(shown) == ["0.40", "0.68"]
    expect(shown.locator(".state")).to_contain_text("Layer 1, mean of the even heads: token 5, “A:”, gives 0.40 of its")
    expect(shown.locator(".answer")).to_have_text("Unedited, margin −0.50 logits: the wrong answer, 9.11.")
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
    expect(token(shown, 1)).to_be_focused()
    assert token(shown, 3).get_attribute("aria-label") == "<b>8</b>, numbers, comes later"


def test_a_head_and_a_layer_are_chosen(shown):
    """At layer 0 no head attends to the numbers, and the edit of layer 1 cannot be chosen."""
    shown.locator(".head input").nth(5).click()
    assert numbers(shown) == ["0.80", "0.76"]

    shown.locator(".layers").select_option("0")
    assert numbers(shown) == ["0", "0.60"]
    expect(shown.locator(".edits input").first).to_be_disabled()
    expect(shown.locator(".answer")).to_contain_text("Edits change layer 1 only.")


def test_an_edit_shows_before_and_after(shown):
    """The table has both shares, the tokens show the pattern after the edit, and the answer turns."""
    shown.get_by_label("60% of the pattern of Simple").check()

    assert numbers(shown) == ["0.40 → 0.90", "0.68 → 0.78"]
    assert parts(shown)[0] == "0.10"
    expect(shown.locator(".answer")).to_contain_text("After the edit, margin +0.25 logits: the right answer, 9.8.")
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


def test_without_the_script_the_first_state_is_shown(browser, file):
    """The tokens, the shares and the table need no script."""
    page = browser.new_page(java_script_enabled=False)
    page.goto(file.as_uri())

    assert parts(page) == ["0.60", "0.20", "0.10", "0.10", "0.00"]
    assert numbers(page) == ["0.40", "0.68"]
    expect(page.locator(".choices")).to_be_hidden()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_is_accessible_and_narrow(shown, scheme):
    """Axe finds no violation of WCAG 2.1 AA, also with an edit and tokens that come later. 390 pixels are enough."""
    shown.emulate_media(color_scheme=scheme)
    shown.set_viewport_size({"width": 390, "height": 800})
    shown.get_by_label("60% of the pattern of Simple").check()
    token(shown, 3).click()
    shown.locator("details", has=shown.locator(".by-token")).locator("summary").click()

    result = Axe().run(shown, context=".token-view", options=RULES)

    assert result.violations_count == 0, result.generate_report()
    assert shown.evaluate("document.documentElement.scrollWidth") == 390


def test_the_tokens_of_a_counterexample_have_a_legend(browser):
    """Each category in the prompt has a line of its own, and its name is read aloud with the token."""
    environment = pages.jinja2.Environment(
        loader=pages.jinja2.FileSystemLoader(pages.Path(pages.__file__).parent), autoescape=True
    )
    macros = environment.get_template("tokens.html.jinja").module
    html = str(macros.tokens(sample_view().prompts[0].tokens, "Counterexample"))

    assert re.findall(r"</b> (\w+)", html) == ["numbers", "format"]
    assert html.count("(numbers)") == 3
    assert "&lt;b&gt;8&lt;/b&gt;" in html
