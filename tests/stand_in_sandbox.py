"""What code from outside may import, unpickle and call in the stand-in service.

Importing this module hides the suite's packages from the process.
"""

from __future__ import annotations

import builtins
import sys
import types
from pathlib import Path
from typing import Any

from nnsight.intervention import serialization

HIDDEN = ("referee", "claims", "fixtures", "reports", "tests")
IMPORTABLE = ("torch", "collections", "math", "typing", "operator", "_operator", "numpy", "time", "enum")
UNPICKLABLE = (*IMPORTABLE, "builtins", "copyreg", "pickle", "cloudpickle", "nnsight")
FORBIDDEN = {"breakpoint", "compile", "delattr", "eval", "exec", "globals", "help", "input", "locals", "open", "vars"}
BUILTINS = set(dir(builtins)) - FORBIDDEN


def _import(name: str, *rest: Any) -> Any:
    if name.partition(".")[0] not in IMPORTABLE:
        raise ImportError(f"Module {name} is not whitelisted")
    return builtins.__import__(name, *rest)


SAFE = {name: getattr(builtins, name) for name in BUILTINS} | {"__import__": _import}


def _safe_function(*args: Any) -> types.FunctionType:
    """Rebuilds a function from outside. It sees the safe built-in functions only."""
    found = serialization._load_function(*args)
    safe = types.FunctionType(found.__code__, {"__builtins__": SAFE}, found.__name__, found.__defaults__)
    safe.__kwdefaults__ = found.__kwdefaults__
    return safe


class Unpickler(serialization.CustomCloudUnpickler):
    """Refuses names of modules that are not on the list."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] not in UNPICKLABLE:
            raise ImportError(f"Module {module} is not whitelisted")
        if module == "builtins" and name not in BUILTINS:
            raise ImportError(f"The built-in function {name} is not whitelisted")
        found = super().find_class(module, name)
        return _safe_function if found is serialization._load_function else found


class _Hide:
    """An import hook in front of all others."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _Hide())  # type: ignore[arg-type]
sys.path[:] = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]
