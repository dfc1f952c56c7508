"""The page of a report in a browser: filters, address, keyboard, accessibility, print, widths and hostile text."""

from __future__ import annotations

import pytest
from sample_pages import everything, hostile

from reports.page import html

NARROW, USUAL, WIDE = 390, 1280, 1920


@pytest.fixture
def page(opened):
    """Returns the page of a report in which every part has content."""
    return opened(html(everything()), permissions=["clipboard-read", "clipboard-write"])


def shown(page):
    """Returns the ids of the claims that a reader sees, which must be those of the list beside them."""
    ids = [article.get_attribute("id") for article in page.locator("article:visible").all()]
    assert [entry.get_attribute("href")[1:] for entry in page.locator(".entry:visible a").all()] == ids
    return ids


ALL = ["9.9a", "9.9b", "C1", "8.1", "8.2", "9.9c", "K2", "K1"]
REFUTED = ["9.9a", "K2"]


def test_everything_is_shown_at_first(page):
    """The worst experiment and the worst claim come first. The theory on trial comes before the known one."""
    assert shown(page) == ALL
    assert page.locator("#shown").inner_text() == "8 of 8 claims shown"


def test_a_verdict_filters_the_claims_and_the_list(page):
    """Claims with any chosen verdict are shown. Experiments and theories without such a claim disappear."""
    page.get_by_role("checkbox", name="REFUTED").check()
    assert shown(page) == REFUTED
    assert page.locator("#shown").inner_text() == "2 of 8 claims shown"
    assert page.get_by_role("heading", name="Coins and dice").count() == 0

    page.get_by_role("checkbox", name="INCONCLUSIVE").check()
    assert shown(page) == ["9.9a", "8.1", "K2"]

    page.get_by_role("button", name="Show all", exact=True).click()
    assert shown(page) == ALL


def test_another_theory_has_other_experiments(page):
    """The choice of a theory clears the choice of another theory's experiment."""
    page.get_by_label("Experiment").select_option("Coins and dice")
    assert shown(page) == ["8.1", "8.2", "9.9c"]

    page.get_by_label("Theory").select_option("Known Facts")
    assert shown(page) == ["K2", "K1"]
    assert page.get_by_label("Experiment").input_value() == ""


def test_words_are_searched_in_what_a_claim_says(page):
    """Every word must be there, in any order and case. If nothing matches, one button shows all claims again."""
    page.get_by_label("Search").fill("9.9c PART")
    assert shown(page) == ["9.9c"]

    page.get_by_label("Search").fill("unicorn")
    assert shown(page) == []
    assert page.locator("#shown").inner_text() == "0 of 8 claims shown"
    page.get_by_role("button", name="Show all claims").click()
    assert shown(page) == ALL


def test_the_address_restores_the_filter(page):
    """A reload keeps the filter, and the back button undoes one choice."""
    page.get_by_role("checkbox", name="REFUTED").check()
    page.get_by_label("Theory").select_option("Known Facts")
    page.get_by_label("Search").fill("fact 2")
    assert page.evaluate("location.search") == "?q=fact+2&verdict=refuted&theory=known"

    page.reload()
    assert shown(page) == ["K2"]
    assert page.get_by_label("Search").input_value() == "fact 2"

    page.go_back()
    assert shown(page) == REFUTED
    page.go_back()
    assert shown(page) == ALL
    page.go_forward()
    assert shown(page) == REFUTED


def test_a_count_of_the_first_screen_is_a_filter(page):
    """The link leads to the claims with this verdict."""
    page.get_by_role("link", name="1 INCONCLUSIVE").click()

    assert shown(page) == ["8.1"]


def test_an_address_of_another_report_hides_nothing(opened):
    """A theory and an experiment that this report does not have are no filter."""
    page = opened(html(everything()), query="?theory=other&experiment=other/x")

    assert shown(page) == ALL


def test_a_link_to_a_claim_that_the_filter_hides_leads_to_it(page):
    """The filter ends, because the reader asked for this claim."""
    page.get_by_role("checkbox", name="REFUTED").check()

    page.locator("#summary").get_by_role("link", name="9.9b").click()
    page.wait_for_url("**#9.9b")  # the event that ends the filter comes after the click
    page.wait_for_function("document.querySelectorAll('article.filtered').length === 0")

    assert shown(page) == ALL
    assert page.locator("article[id='9.9b']").evaluate("claim => claim.getBoundingClientRect().top") < 800


def test_the_keyboard_reaches_everything(page):
    """The first stop leads past the list. Each stop of the filter and of the first claim shows where the focus is."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to the claims"
    assert page.get_by_role("link", name="Skip to the claims").bounding_box()["x"] == 0
    stops = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            "() => { const at = document.activeElement, box = at.getBoundingClientRect();"
            " return [at.tagName, getComputedStyle(at).outlineStyle, box.width > 0, at.closest('article')?.id]; }"
        )
        if stop[0] == "BODY":
            break
        assert stop[1:3] == ["solid", True], stop
        stops.add((stop[0], stop[3]))
    assert {("SUMMARY", None), ("INPUT", None), ("SELECT", None), ("A", None)} <= stops
    assert {("SUMMARY", "9.9a"), ("DIV", "9.9a"), ("A", "9.9a"), ("BUTTON", "9.9a")} <= stops

    page.get_by_role("checkbox", name="REFUTED").focus()
    page.keyboard.press("Space")
    assert shown(page) == REFUTED


def test_a_command_can_be_copied(page):
    """The button says so, also to a screen reader."""
    page.get_by_role("button", name="Copy the command for 9.9a").click()

    page.get_by_text("Copied").first.wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "pytest claims/"
    assert page.get_by_role("status").filter(has_text="Copied").count() == 1


@pytest.mark.parametrize(("scheme", "width"), [("light", USUAL), ("dark", NARROW)])
def test_no_rule_of_wcag_is_broken(scheme, width, opened):
    """axe-core finds nothing at level A or AA, with all details open."""
    from axe_playwright_python.sync_playwright import Axe

    page = opened(html(everything()), color_scheme=scheme, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")

    levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
    found = Axe().run(page, options={"runOnly": levels}).response
    assert [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found["violations"]] == []
    assert len(found["passes"]) > 15


def test_all_claims_and_details_are_printed(page):
    """A filter and folded details are for the screen. The list of claims is not printed."""
    page.get_by_role("checkbox", name="REFUTED").check()
    inside = "[...document.querySelectorAll('details:not([open]) > :not(summary)')]"
    seen = "one.checkVisibility({contentVisibilityAuto: true})"
    assert page.evaluate(f"{inside}.length > 0 && {inside}.every(one => !{seen})")

    page.emulate_media(media="print")

    page.wait_for_function(f"() => {inside}.every(one => {seen})")  # a busy browser needs a moment for the new style
    assert page.locator("article:visible").count() == len(ALL)
    assert not page.locator("nav").is_visible()
    page.emulate_media(media="screen")
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("report", [everything, hostile])
def test_nothing_is_wider_than_the_window(report, opened):
    """Tables and figures that are too wide scroll inside the page."""
    page = opened(html(report()))
    widths = []
    for width in (NARROW, USUAL, WIDE):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        widths.append(page.evaluate("document.documentElement.scrollWidth"))

    assert widths == [NARROW, USUAL, WIDE]


def test_a_wide_window_has_text_and_figure_side_by_side(opened):
    """In a narrower one the figure is below the text."""
    for width, beside in ((WIDE, True), (USUAL, False)):
        page = opened(html(everything()), width=width)
        text, figure = (page.locator(f"article[id='9.9a'] {part}").bounding_box() for part in (".text", "figure"))
        assert (figure["x"] > text["x"] + text["width"]) is beside


def test_a_narrow_window_folds_the_list(opened):
    """The claims begin below the first screen, and the list can be opened."""
    page = opened(html(everything()), width=NARROW)
    assert page.locator(".entry:visible").count() == 0

    page.get_by_text("Find a claim").click()

    assert page.locator(".entry:visible").count() == len(ALL)


def test_hostile_text_is_text(opened):
    """Markup in a name is not executed. A name that changes the direction of the line does not change what follows."""
    page = opened(html(hostile()))

    assert page.title().startswith("A theory on <script>document.title = 'hacked'")
    assert page.locator("h1 bdi").evaluate("name => getComputedStyle(name).unicodeBidi") == "isolate"


def test_only_the_script_of_the_page_may_run(browser, tmp_path):
    """The policy of the page refuses any other script, even if a text became markup."""
    added = "<main><script>document.title = 'hacked'</script>"
    (tmp_path / "page.html").write_text(html(everything()).replace("<main>", added, 1), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())

    assert page.title() == "A theory on tiny"
    page.close()


def test_the_page_needs_no_script(opened):
    """Without scripts, every claim is shown, and no control that needs a script."""
    page = opened(html(everything()), java_script_enabled=False)

    assert shown(page) == ALL
    assert not page.locator("#filter").is_visible()
    assert page.locator("button:visible").count() == 0
