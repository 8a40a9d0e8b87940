"""Specifications in folders: modules named `spec.py` or `*_spec.py` that define `spec()`."""

import importlib.util
import json
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ghostjax._types import ConfigurationError
from ghostjax.formal._spec import Spec


class Found(NamedTuple):
    """A module that claims to define a specification: the specification, or the line that says why there is none.

    `manifest` holds the golden counts of a `manifest.json` beside it, if there is one.
    """

    path: Path
    name: str
    spec: Spec | None
    error: str | None
    manifest: dict[str, Any]


def find(paths: Iterable[Path | str]) -> list[Path]:
    """The modules below `paths` that may define a specification, in order; files are taken as they are.

    Errors: `ConfigurationError` for a path that does not exist.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_file():
            found[path] = None
        elif path.is_dir():
            below = sorted({*path.rglob("spec.py"), *path.rglob("*_spec.py")})
            found |= dict.fromkeys(p for p in below if not _hidden(p.relative_to(path)))
        else:
            raise ConfigurationError(f"check: path={path}: no such file or folder; name a folder with spec.py in it")
    return list(found)


def load(path: Path, large: bool = False) -> Found:
    """The specification of one module; whatever goes wrong in it is said, not raised.

    `large` asks for the module's `nightly()`, a larger configuration, where it defines one.
    """
    name = path.parent.name if path.stem == "spec" else path.stem
    manifest: dict[str, Any] = {}
    try:
        module = _module(path)
        make = getattr(module, "nightly", None) if large else None
        if make is None:
            make = getattr(module, "spec", None)
            beside = path.parent / "manifest.json"
            if beside.exists():
                manifest = json.loads(beside.read_text())
        if make is None:
            return Found(path, name, None, "defines no spec()", {})
        made = make()
        if not isinstance(made, Spec):
            return Found(path, name, None, f"spec() returned {type(made).__name__}, not a Spec", {})
        return Found(path, made.name, made, None, manifest)
    except Exception as error:
        return Found(path, name, None, explain(error, path), {})


def explain(error: BaseException, path: Path) -> str:
    """One line: what was raised, and where in `path`."""
    frames = traceback.extract_tb(error.__traceback__)
    where = next((f.lineno for f in reversed(frames) if Path(f.filename) == path.absolute()), None)
    if where is None and isinstance(error, SyntaxError):
        where = error.lineno
    place = f"{path}:{where}: " if where is not None else ""
    return f"{place}{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


def _module(path: Path) -> ModuleType:
    path = path.absolute()
    name = "_ghostjax_spec_" + "_".join(path.with_suffix("").parts[-3:])
    source = importlib.util.spec_from_file_location(name, path)
    if source is None or source.loader is None:
        raise ImportError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(source)
    # Dataclasses look their module up; what lies beside the module can be imported by it.
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        source.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part in ("__pycache__", "node_modules", "site-packages") for part in path.parts)
