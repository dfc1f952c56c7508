"""Asks the Hugging Face hub and NDIF, the remote service of nnsight, whether they answer.

The import of nnsight takes seconds, and only `referee.attention` may do it. So this module reads nnsight's settings
itself, from the three places where nnsight reads them. A test compares the result with nnsight's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import yaml
from huggingface_hub import constants

from referee.doctor.lines import Line

SECONDS = 4.0
"""The longest wait for an answer, in seconds."""
_KEY = "NDIF_API_KEY"


def lines() -> Iterator[Line]:
    """Yields a line for the hub and one for NDIF. A model in a cache needs neither of them."""
    hub, ndif = ask_hub(), _ask_ndif()  # at the same time
    yield Line("hub", hub())
    yield Line("NDIF", ndif())


def ask_hub() -> Callable[[], str]:
    """Starts to ask the hub, unless it may not be asked; see `ask`."""
    if constants.is_offline_mode():
        return lambda: "not asked, because HF_HUB_OFFLINE is set"
    return ask(f"{constants.ENDPOINT}/api/models?limit=1")


def _ask_ndif() -> Callable[[], str]:
    """Starts to ask NDIF if the user has a key; see `ask`. The key is not sent."""
    try:
        host, key = ndif_settings()
    except Exception as problem:  # a damaged file can raise any exception
        reason = f"{_user_file()} cannot be read ({type(problem).__name__})"
        return lambda: reason
    if not key:
        return lambda: f"no key. Get one at https://ndif.us and set {_KEY}."
    return ask(f"{host}/status")


def ask(address: str) -> Callable[[], str]:
    """Starts to ask an address. Returns a function that waits for the answer, at most `SECONDS` seconds.

    That function returns words that begin with "answers" or "unreachable". It raises nothing.
    """
    answers: list[str] = []

    def request() -> None:
        try:
            reply = httpx.get(address, timeout=SECONDS, follow_redirects=True)
            # A proxy answers with an error status for a service that it does not reach.
            answers.append("answers" if reply.is_success else f"unreachable (HTTP status {reply.status_code})")
        except Exception as problem:  # a wrong address or proxy raises errors that are no httpx.HTTPError
            reason = str(problem).strip().split("\n")[0] or type(problem).__name__
            answers.append(f"unreachable ({reason})")

    # The look-up of a name has no time-out of its own. The thread does not keep the process alive.
    thread = Thread(target=request, daemon=True)
    thread.start()

    def answer() -> str:
        thread.join(SECONDS)
        return answers[0] if answers else f"unreachable (no answer in {SECONDS:g} s)"

    return answer


def ndif_settings() -> tuple[str, str | None]:
    """Returns the address of NDIF and the user's key, as nnsight would use them. The key is None if there is none.

    Raises an error of any type for a damaged file of settings.
    """
    found: dict[str, Any] = {}
    nnsight = find_spec("nnsight")
    shipped = [Path(folder, "config.yaml") for folder in (nnsight and nnsight.submodule_search_locations) or ()]
    for file in (*shipped, _user_file()):
        if file.exists():
            found |= (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("API") or {}
    return os.environ.get("NDIF_HOST") or found["HOST"], os.environ.get(_KEY) or found.get("APIKEY")


def _user_file() -> Path:
    """Returns the user's file of nnsight's settings. It need not exist."""
    named = os.environ.get("NNSIGHT_CONFIG")
    home = os.environ.get("XDG_CONFIG_HOME", "~/.config")
    return Path(named or Path(home, "nnsight", "config.yaml")).expanduser()
