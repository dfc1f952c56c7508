"""Starts the stand-in service in a process of its own, and points the hub and nnsight of this process to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import constants, hf_api
from transformers.utils import hub

KEY = "right-key"
MODEL = "someone/tiny"


DEFAULTS = {
    "attention": "sdpa",
    "dtype": "float32",
    "autocast": False,
    "whitelist": True,
    "key": KEY,
    "hosted": True,
    "jobs": None,
}


class StandIn:
    """A running stand-in service.

    Attributes:
        host: its address.
    """

    def __init__(self, host: str) -> None:
        self.host = host

    def set(self, **settings: Any) -> None:
        """Changes settings, loads the model again and counts from zero."""
        httpx.post(f"{self.host}/settings", json=DEFAULTS | settings, timeout=60).raise_for_status()

    @property
    def counts(self) -> dict[str, Any]:
        """What the service has counted since the last `set`."""
        return httpx.get(f"{self.host}/counts").json()


@contextmanager
def stand_in(folder: Path) -> Iterator[StandIn]:
    """Yields a stand-in service that hosts a saved model. Its process ends with the context."""
    settings = json.dumps({"folder": str(folder), "repo_id": MODEL, "key": KEY})
    command = [sys.executable, str(Path(__file__).with_name("stand_in_service.py")), settings]
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}  # the model is a folder
    process = subprocess.Popen(command, env=offline, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield StandIn(process.stdout.readline().strip())
    finally:
        process.stdin.close()
        process.wait(timeout=20)


def hub_at(host: str, cache: Path, patch: pytest.MonkeyPatch) -> None:
    """Lets huggingface_hub find its files at the stand-in, and keep them in another cache."""
    patch.setattr(constants, "ENDPOINT", host)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", host + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(hf_api.api, "endpoint", host)
    patch.setattr(hub.hf_api(), "endpoint", host)  # transformers keeps a client of its own
