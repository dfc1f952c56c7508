"""A stand-in for the service that hosts models: nnsight's own protocol on 127.0.0.1, in a process of its own.

It executes what nnsight's client sends, with nnsight's own classes. The suite's packages cannot be imported here. It
also answers the few requests that huggingface_hub sends for a configuration and a tokenizer. The first line that it
prints is its address. It ends when its standard input is closed.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import struct
import sys
import threading
import uuid
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import torch
import zstandard
from nnsight import TransformersModel
from nnsight.intervention import serialization
from nnsight.schema.request import RequestModel
from nnsight.schema.response import ResponseModel, Status
from nnsight.tracing import tracer as tracing
from stand_in_sandbox import SAFE, Unpickler

SETTINGS = {
    "folder": "",  # a saved model with its tokenizer
    "repo_id": "someone/tiny",
    "attention": "sdpa",
    "dtype": "float32",
    "autocast": False,  # bfloat16 arithmetic around every job, as on a GPU of the service
    "obeys": False,  # whether a request may choose the attention function
    "whitelist": True,  # whether code from outside may import and unpickle only a few modules
    "key": "right-key",
    "hosted": True,
    "jobs": None,  # after this many jobs, the connection is lost
}
ON_THE_SOCKET = 1 << 16
"""A result of at most this many bytes comes on the socket. A larger one must be downloaded."""


class Service:
    """The hosted model, the jobs that wait, and what has been counted.

    Attributes:
        counts: the jobs so far, the bytes of their payloads, and the rows that the first and the last layer computed.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.counts: dict[str, Any] = {}
        self.count()
        self.sockets: dict[str, Queue] = {}
        self.results: dict[str, bytes] = {}
        self.jobs: Queue = Queue()
        self.load()
        torch.set_default_dtype(torch.bfloat16)  # as the service does
        threading.Thread(target=self._work, daemon=True).start()

    def load(self) -> None:
        """Loads the model, with the dtype and the attention function of the settings."""
        self.model = TransformersModel(
            self.settings["folder"],
            task="text-generation",
            dispatch=True,
            dtype=getattr(torch, self.settings["dtype"]),
            attn_implementation=self.settings["attention"],
            device="cpu",
        )
        self.model._module.requires_grad_(False)
        layers = self.model._module.get_decoder().layers
        layers[0].self_attn.register_forward_pre_hook(self._counter("rows of the first layer"), with_kwargs=True)
        layers[-1].self_attn.register_forward_pre_hook(self._counter("rows of the last layer"), with_kwargs=True)

    def count(self) -> None:
        """Counts from zero."""
        self.counts |= {"jobs": 0, "payloads": [], "rows of the first layer": 0, "rows of the last layer": 0}

    def _counter(self, name: str) -> Any:
        def count(module: Any, args: tuple, kwargs: dict) -> None:
            hidden = args[0] if args else kwargs["hidden_states"]
            self.counts[name] += hidden.shape[0] * hidden.shape[1]

        return count

    def key_of_model(self) -> str:
        data = {"repo_id": self.settings["repo_id"], "revision": None, "task": "text-generation"}
        return f"nnsight.modeling.transformers.TransformersModel:{json.dumps(data)}"

    def _work(self) -> None:
        """Runs one job after the other."""
        while True:
            request, blob, job = self.jobs.get()
            socket = self.sockets[request.session_id]
            self.counts["jobs"] += 1
            self.counts["payloads"].append(len(blob))
            if self.settings["jobs"] is not None and self.counts["jobs"] > self.settings["jobs"]:
                socket.put(None)
                continue
            socket.put(ResponseModel(id=job, status=Status.RUNNING))
            try:
                if self.settings["obeys"]:
                    self.model._remoteable_set_env(request.env)
                saved = self.execute(blob, request.compress)
            except Exception as problem:
                text = f"Traceback (most recent call last): …\n{type(problem).__name__}: {problem}"
                socket.put(ResponseModel(id=job, status=Status.ERROR, description=text))
                continue
            buffer = io.BytesIO()
            torch.save(saved, buffer)
            data: Any = buffer.getvalue()
            data = zstandard.ZstdCompressor(level=6).compress(data) if request.compress else data
            if len(data) > ON_THE_SOCKET:
                self.results[job] = data
                data = f"{self.address}/result/{job}"
            socket.put(ResponseModel(id=job, status=Status.COMPLETED, data=data))

    def execute(self, blob: bytes, compress: bool) -> dict[str, Any]:
        """Returns the values that the block saves, by name."""
        unpickler = Unpickler if self.settings["whitelist"] else serialization.CustomCloudUnpickler
        tracer = RequestModel.deserialize(blob, self.model._remoteable_persistent_objects(), compress, unpickler)
        frame = tracer.info.frame
        if self.settings["whitelist"]:
            frame.f_locals["__builtins__"] = SAFE
        tracing.inc()
        try:
            arithmetic = torch.autocast("cpu", torch.bfloat16) if self.settings["autocast"] else nullcontext()
            with arithmetic:
                tracer.execute(tracer.info.code)
            return {name: value for name, value in frame.f_locals.items() if id(value) in tracing._saves()}
        finally:
            tracing.dec()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def log_message(self, *_: Any) -> None:
        pass

    def _send(self, body: Any, status: int = 200, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        service, path = self.service, self.path.partition("?")[0]
        known = self.headers.get("ndif-api-key") == service.settings["key"]
        deployment = {
            "repo_id": service.settings["repo_id"],
            "model_key": service.key_of_model(),
            "revision": "main",
            "task": "text-generation",
            "application_state": "RUNNING",
            "deployment_level": "HOT",
        }
        packages = {
            name: module.__version__ for name, module in (("torch", torch), ("nnsight", sys.modules["nnsight"]))
        }
        if path == "/subscribe":
            self._subscribe()
        elif path.startswith("/result/"):
            self._send(service.results.pop(path.rpartition("/")[2]))
        elif path == "/env":
            self._send({"python_version": sys.version, "packages": packages})
        elif path == "/whoami":
            self._send({"email": "someone@example.org" if known else None, "tags": []})
        elif path == "/status":
            self._send({"deployments": {"one": deployment} if service.settings["hosted"] else {}})
        elif path == "/counts":
            self._send(service.counts)
        else:
            self._hub(path)

    def _hub(self, path: str) -> None:
        """Answers what huggingface_hub asks for the files of the model, except for its weights."""
        commit = "0" * 40
        name = path.rpartition("/")[2]
        file = Path(self.service.settings["folder"]) / name
        if "/tree/" in path:
            self._send([])
        elif path.startswith("/api/models/"):
            self._send({"id": self.service.settings["repo_id"], "sha": commit, "siblings": []})
        elif "/resolve/" in path and file.is_file() and file.suffix != ".safetensors":
            content = file.read_bytes()
            etag = hashlib.sha1(content).hexdigest()
            self._send(content, X_Repo_Commit=commit, ETag=f'"{etag}"')
        else:
            self._send({}, 404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/settings":  # only for the tests
            before = {**self.service.settings}
            self.service.settings |= json.loads(body)
            if any(self.service.settings[name] != before[name] for name in ("folder", "dtype", "attention")):
                self.service.load()
            self.service.count()
            self._send({})
            return
        if self.headers.get("ndif-api-key") != self.service.settings["key"]:
            self._send({"detail": "Missing or invalid API key. Please visit the login page to create a new one."}, 401)
            return
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        parts = {}
        for part in body.split(b"--" + boundary)[1:-1]:
            head, _, content = part[2:-2].partition(b"\r\n\r\n")
            parts[head.partition(b'name="')[2].partition(b'"')[0]] = content
        request = RequestModel.model_validate_json(parts[b"data"])
        if not self.service.settings["hosted"] or request.model_key != self.service.key_of_model():
            self._send({"detail": f"Model {request.model_key} is not deployed and hotswapping is not enabled."}, 503)
            return
        job = uuid.uuid4().hex
        self.service.jobs.put((request, parts[b"blob"], job))
        self._send(ResponseModel(id=job, status=Status.RECEIVED).model_dump_json().encode())

    def _subscribe(self) -> None:
        """Opens a websocket, sends the id of the session, and then every status of its jobs."""
        accept = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade")):
            self.send_header(name, value)
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept.digest()).decode())
        self.end_headers()
        session, messages = uuid.uuid4().hex, Queue()
        self.service.sockets[session] = messages
        self._frame(1, json.dumps({"session_id": session}).encode())
        while (message := messages.get()) is not None:
            in_binary = isinstance(message.data, bytes)
            self._frame(2, message.pickle()) if in_binary else self._frame(1, message.model_dump_json().encode())
            if message.status in (Status.COMPLETED, Status.ERROR):
                break
        self.close_connection = True

    def _frame(self, kind: int, content: bytes) -> None:
        length = len(content)
        short = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length)
        size = short if length < 1 << 16 else b"\x7f" + struct.pack(">Q", length)
        self.wfile.write(bytes([0x80 | kind]) + size + content)
        self.wfile.flush()


def main() -> None:
    service = Service(SETTINGS | json.loads(sys.argv[1]))
    Handler.service = service
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.address = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(service.address, flush=True)
    sys.stdin.read()
    os._exit(0)  # the interpreter would free everything first


if __name__ == "__main__":
    main()
