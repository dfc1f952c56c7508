"""The service that hosts models, NDIF, through nnsight. Every fault of the service becomes one clear line."""

from __future__ import annotations

from collections.abc import Callable
from json import JSONDecodeError
from typing import Any, NoReturn, TypeVar

import httpx
from nnsight import TransformersModel, register
from nnsight.intervention.backends.remote import RemoteBackend, RemoteError
from nnsight.schema.config import CONFIG
from pydantic import ValidationError

from referee.attention.wrapping import find_layers, find_unembedding
from referee.errors import ConnectionLost, InstrumentFault, NoAccess, NotHosted, RemoteFailure, UnknownModel
from referee.models.subjects import Subject
from referee.remote import blocks

Found = TypeVar("Found")

_SECONDS = 30.0
"""The longest wait for a short answer of the service."""
_LIBRARIES = ("torch", "transformers", "nnsight")
_KEY = "Get a key at https://login.ndif.us and set NDIF_API_KEY, or run `nnsight login`."


class Service:
    """A service that hosts models.

    Attributes:
        host: its address.
    """

    def __init__(self, host: str, key: str | None) -> None:
        """Raises NoAccess without a key."""
        if not key:
            raise NoAccess("--remote needs a key of the service", "none", _KEY)
        self.host = host.rstrip("/")
        self._key = key
        self._answered = False

    @classmethod
    def configured(cls) -> Service:
        """Returns the service that nnsight is configured for, by NDIF_HOST, NDIF_API_KEY or its configuration file."""
        return cls(CONFIG.API.HOST, CONFIG.API.APIKEY)

    def versions(self) -> dict[str, str]:
        """Returns the versions of Python and of the libraries on the service. Raises ConnectionLost.

        It is empty for a service that does not know them.
        """
        found = self._get("/env")
        packages = found.get("packages") or {}
        return {
            "python": str(found.get("python_version", "unknown")).split()[0],
            **{name: str(packages.get(name, "unknown")) for name in _LIBRARIES},
        }

    def hosted(self) -> dict[str, bool]:
        """Returns whether each hosted model runs, by the id of its repository. Raises ConnectionLost."""
        deployments = self._get("/status").get("deployments") or {}
        return {
            str(each.get("repo_id", name)): each.get("application_state") == "RUNNING"
            for name, each in deployments.items()
        }

    def wrap(self, subject: Subject, revision: str | None) -> dict[str, Any]:
        """Returns the model of a subject as `blocks` needs it. The model has no weights; it only names its parts.

        Raises NoReadableAttention when the model has no usable unembedding or layers.
        """
        traced = TransformersModel(
            subject.model, tokenizer=subject.tokenizer, task="text-generation", device="meta", revision=revision
        )
        layers, attention = find_layers(subject, traced)
        unembedding = getattr(traced, find_unembedding(subject))
        return {"traced": traced, "layers": layers, "attention": attention, "unembedding": unembedding}

    def send(self, block: Callable[..., Found], model: dict[str, Any], *arguments: Any) -> Found:
        """Runs a function of `blocks` on the service, as one request, and returns its result.

        Raises NoAccess, NotHosted, ConnectionLost or RemoteFailure.
        """
        backend = self._backend(model["traced"])
        register(blocks.__name__)  # its functions are sent as source text, and not as names of a module
        try:
            found = blocks.run(model, backend, block, arguments)
        except InstrumentFault:
            raise
        except Exception as problem:
            self._raise(problem, model["traced"].repo_id)
        self._answered = True
        return found

    def _backend(self, traced: Any) -> Any:
        """Returns nnsight's object that sends one request. Raises UnknownModel without the hub."""
        try:
            key = traced.to_model_key()
        except Exception as problem:
            raise UnknownModel(
                "--remote needs the id of the model from the hub, which must be reachable",
                f"{traced.repo_id!r} ({_first_line(problem)})",
                "Check the connection and the id.",
            ) from problem
        backend = RemoteBackend(
            key, host=self.host, api_key=self._key, env={"attn_implementation": traced.attn_implementation}
        )
        backend.display.enabled = False  # the run has its own progress bars
        return backend

    def _get(self, path: str) -> dict[str, Any]:
        try:
            answer = httpx.get(f"{self.host}{path}", timeout=_SECONDS)
        except httpx.HTTPError as problem:
            self._raise(problem, "")
        return answer.json() if answer.status_code == httpx.codes.OK else {}

    def _raise(self, problem: Exception, repo_id: str) -> NoReturn:
        """Raises the fault that an exception of nnsight or of its network libraries stands for."""
        from websocket import WebSocketBadStatusException, WebSocketException

        cause = problem.__cause__
        status = getattr(problem, "status_code", None) if isinstance(problem, WebSocketBadStatusException) else None
        if isinstance(cause, httpx.HTTPStatusError):
            status = cause.response.status_code
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NoAccess(
                "The service must accept the key", f"a refusal from {self.host} ({_first_line(problem)})", _KEY
            ) from problem
        if isinstance(problem, RemoteError) and not (isinstance(cause, httpx.HTTPError) and status is None):
            hosted = self.hosted()
            if repo_id not in hosted:
                names = ", ".join(sorted(hosted)) or "none"
                rule, remedy = f"The service must host {repo_id}", "Choose one of them with --model."
                raise NotHosted(rule, f"only these models: {names}", remedy) from problem
            remedy = "Run again, or run the model here without --remote."
            raise RemoteFailure("The service must run the request", _last_line(problem), remedy) from problem
        # A connection that is closed early gives an empty message, which is no JSON.
        lost = (WebSocketException, RemoteError, httpx.HTTPError, OSError, JSONDecodeError, ValidationError)
        if not isinstance(problem, lost):
            raise problem
        if self._answered:
            raise ConnectionLost(
                f"The connection to {self.host} must last until the end of the run",
                f"a loss in the middle ({_first_line(problem)})",
                "The results so far are kept; the same command goes on from there.",
            ) from problem
        raise ConnectionLost(
            "--remote needs a service that answers",
            f"no answer from {self.host} ({_first_line(problem)})",
            "Check the connection and NDIF_HOST.",
        ) from problem


def _first_line(problem: BaseException) -> str:
    return str(problem).strip().split("\n")[0][:200] or type(problem).__name__


def _last_line(problem: BaseException) -> str:
    """Returns the last line of a traceback from the service, which names the error."""
    return str(problem).strip().split("\n")[-1][:200] or type(problem).__name__
