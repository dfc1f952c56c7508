"""A headless Chromium for the tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
"""Programs that are a Chromium, in the order of preference."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yields a running browser. The test fails with one line if the machine has none."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        got = f"none of {', '.join(NAMES)}"
        pytest.fail(f"The tests of pages need Chromium; got {got}. Run apt-get install chromium.", pytrace=False)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@contextmanager
def opener(browser: Browser, folder: Path) -> Iterator[Callable[..., Page]]:
    """Yields a function that opens a page, given as HTML, from a file in `folder`.

    Its other arguments are the width and the height of the window, what follows the file in the address, and settings
    of Playwright's `new_context`. At the end, the test fails if a page wrote an error to the console, or asked for
    anything but itself.
    """
    file, problems, contexts = folder / "page.html", [], []

    def opened(html: str, *, width: int = 1280, height: int = 800, query: str = "", **settings: Any) -> Page:
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda problem: problems.append(str(problem)))
        own = (file.as_uri(), "data:")
        page.on("request", lambda request: None if request.url.startswith(own) else problems.append(request.url))
        page.goto(file.as_uri() + query)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
