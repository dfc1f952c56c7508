"""The peers, each with its own versions in an environment of its own: `python -m benchmarks.environments`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from referee.models.embedded import cache_folder

TORCH = "torch==2.13.0"
PEERS = {"transformer_lens": "transformer-lens==4.3.0", "pyvene": "pyvene==0.1.8"}


def python_of(peer: str) -> Path:
    """The interpreter with which a peer runs; our own for what is one of our dependencies."""
    return _folder(peer) / "bin" / "python" if peer in PEERS else Path(sys.executable)


def _folder(peer: str) -> Path:
    return cache_folder() / "peers" / PEERS[peer]


def main() -> None:
    for peer, pinned in PEERS.items():
        if not python_of(peer).exists():
            subprocess.run([sys.executable, "-m", "venv", _folder(peer)], check=True)
        subprocess.run([python_of(peer), "-m", "pip", "install", "-q", TORCH, pinned], check=True)
        print(f"{pinned} in {_folder(peer)}")


if __name__ == "__main__":
    main()
