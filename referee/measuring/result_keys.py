"""Keys of results on disk. A key is a digest of everything that a result depends on.

A wrong hit is worse than a slow run. So a key covers the subject's fingerprint, layer, dtype and kind of device, the
kind of result, the request with all values in it, and the source text of the code that measures. This code is the part
of the instrument that reads models, prompts and attention, and the modules in which a theory defines its prompts and
measures, with everything that they import. A key leaves out what changes only the last digits of a result: the
processor, the other requests of the batch, and the rows that earlier batches had computed already.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from referee.models.subjects import Subject

_ROOT = Path(__file__).resolve().parents[2]
_MEASURING_CODE = ("models", "prompts", "attention", "measuring")
"""The folders of the instrument whose code a result depends on. Judging a result does not change it."""
_REMEMBERED = 100_000
"""The largest number of parts whose digests are kept in memory."""
_LIBRARIES = ("torch", "transformers", "nnsight")


class NotKeepable(Exception):
    """A result depends on something that has no digest, for example on a function defined in a notebook."""


class ResultKeys:
    """Makes the keys of one subject's results."""

    def __init__(self, subject: Subject) -> None:
        self._start = "\n".join(
            (instrument(), subject.fingerprint, str(subject.layer), subject.dtype, subject.device.type)
        )
        self._digests: dict[Any, str] = {}
        self._code: dict[str, str] = {}

    def of(self, *parts: Any) -> bytes:
        """Returns the key of a result.

        The parts are numbers, text, None, and tuples and frozen dataclasses of them. Raises NotKeepable for any other
        part, and for a dataclass whose source text is unknown or not part of a package.
        """
        content = "\n".join([self._start, *map(self._canonical, parts)])
        return hashlib.sha256(content.encode()).digest()

    def _canonical(self, value: Any) -> str:
        """Returns a text that describes a value completely, with its type. Floats are exact."""
        if is_dataclass(value) and not isinstance(value, type):
            kind: Any = type(value)
            if not kind.__dataclass_params__.frozen:
                raise NotKeepable(f"A {kind.__name__} has no digest: it is not frozen, so it can change")
            # Many requests have equal parts, mostly prompts. So the digest of each part is computed only once.
            if value not in self._digests:
                digest = self._digest(value)
                if len(self._digests) >= _REMEMBERED:
                    self._digests.clear()
                self._digests[value] = digest
            return self._digests[value]
        if isinstance(value, (tuple, list, range)):
            return f"({','.join(map(self._canonical, value))})"
        if isinstance(value, float):
            return value.hex()
        if value is None or isinstance(value, (str, int, bool)):
            return f"{type(value).__name__}:{value!r}"
        raise NotKeepable(f"A {type(value).__name__} has no digest")

    def _digest(self, value: Any) -> str:
        kind = type(value)
        content = ",".join(f"{field.name}={self._canonical(getattr(value, field.name))}" for field in fields(value))
        whole = f"{self._code_of(kind.__module__)} {kind.__module__}.{kind.__qualname__}({content})"
        return hashlib.sha256(whole.encode()).hexdigest()

    def _code_of(self, module: str) -> str:
        """Returns the digest of the source text that a module's classes depend on. Raises NotKeepable."""
        if module.startswith("referee."):
            return ""  # the digest of the instrument covers it
        if module not in self._code:
            digest = hashlib.sha256()
            for file in sources(module):
                digest.update(f"{file}\n".encode() + file.read_bytes())
            self._code[module] = digest.hexdigest()
        return self._code[module]


def instrument() -> str:
    """Returns a digest of the source text of the measuring code and of the versions of its libraries."""
    digest = hashlib.sha256(" ".join(version(library) for library in _LIBRARIES).encode())
    for folder in _MEASURING_CODE:
        for file in sorted((_ROOT / "referee" / folder).rglob("*.py")):
            digest.update(f"{file.relative_to(_ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def sources(module: str) -> list[Path]:
    """Returns the file of a module, and the files beside its package that it imports, at any depth.

    The files of the instrument are left out. Raises NotKeepable for a module that is not part of a package, because it
    may import modules from anywhere, and for a module without a Python file.
    """
    package = sys.modules.get(module.partition(".")[0])
    if "." not in module or package is None or not getattr(package, "__path__", None):
        raise NotKeepable(f"The module {module} is not part of a package")
    root = Path(package.__path__[0]).parent
    found: dict[Path, None] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file_of(name, root)
        if file is not None and file not in found:
            found[file] = None
            waiting += _imports(name, file)
    if not found:
        raise NotKeepable(f"The source text of the module {module} is unknown")
    return sorted(found)


def _file_of(module: str, root: Path) -> Path | None:
    """Returns the file of a module below a folder. Returns None for other modules and for the instrument's."""
    place = root.joinpath(*module.split("."))
    files = [place.with_suffix(".py"), place / "__init__.py"]
    return next((file for file in files if file.is_file() and _ROOT / "referee" not in file.parents), None)


def _imports(module: str, file: Path) -> list[str]:
    """Returns the names of all modules that a module imports, with the package around it, which Python imports too."""
    parent = module.rpartition(".")[0]
    package = module if file.name == "__init__.py" else parent
    found = [parent] if parent else []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            name = resolve_name("." * node.level + (node.module or ""), package)
            found += [name, *(f"{name}.{alias.name}" for alias in node.names)]
    return found
