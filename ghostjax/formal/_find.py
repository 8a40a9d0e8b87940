"""Specifications in folders: modules named `spec.py` or `*_spec.py`, and the files beside them.

A module defines `spec()`, `machines()` or both. `implementations()` and `traces()` return the code that implements it,
in the same module or in a companion beside it: `implementation.py` for `spec.py`, `x_implementation.py` for
`x_spec.py`. A companion may import the specification by its module's name.
"""

import importlib.util
import json
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ghostjax._types import ConfigurationError
from ghostjax.formal._bindings import Bindings, bindings
from ghostjax.formal._spec import Spec


class Found(NamedTuple):
    """The content of a module: its specification and bindings, or the line that says why it has none.

    `spec` is explored. The bound code is checked against `base`; the two differ only if `spec` is the larger nightly
    configuration. `manifest` holds the golden counts of a `manifest.json` beside it, if there is one. `beside` is the
    companion with the code.
    """

    path: Path
    name: str
    spec: Spec | None
    error: str | None
    manifest: dict[str, Any]
    base: Spec | None = None
    bindings: Bindings = Bindings()
    beside: Path | None = None


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
    """The content of one module and its companion. Their exceptions are reported, not raised.

    `large` asks for the module's `nightly()`, a larger configuration, if it defines one.
    """
    name = path.parent.name if path.stem == "spec" else path.stem
    companion = path.with_name(f"{path.stem.removesuffix('spec')}implementation.py")
    beside = companion if path.stem.endswith("spec") and companion.is_file() else None
    at = path
    try:
        module = _module(path)
        modules = [module]
        if beside is not None:
            at = beside
            modules.append(_module(beside, {path.stem: module}))
        bound = bindings(modules)
        at = path
        if getattr(module, "spec", None) is None:
            if bound.implementations or bound.traces:
                return Found(path, name, None, "defines no spec() that its code could be held to", {})
            if not bound.machines:
                return Found(path, name, None, "defines no spec() and no machines()", {})
            return Found(path, name, None, None, {}, None, bound, beside)
        base = _made(module.spec)
        make = getattr(module, "nightly", None) if large else None
        manifest = path.parent / "manifest.json"
        golden = json.loads(manifest.read_text()) if make is None and manifest.exists() else {}
        spec = base if make is None else _made(make)
        return Found(path, spec.name, spec, None, golden, base, bound, beside)
    except Exception as error:
        return Found(path, name, None, explain(error, at), {})


def _made(make: Any) -> Spec:
    spec = make()
    if not isinstance(spec, Spec):
        raise ConfigurationError(f"{make.__name__}() returned {type(spec).__name__}, not a Spec")
    return spec


def explain(error: BaseException, path: Path) -> str:
    """One line: the exception, and its line in `path`."""
    frames = traceback.extract_tb(error.__traceback__)
    where = next((f.lineno for f in reversed(frames) if Path(f.filename) == path.absolute()), None)
    if where is None and isinstance(error, SyntaxError):
        where = error.lineno
    place = f"{path}:{where}: " if where is not None else ""
    return f"{place}{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


def _module(path: Path, known: Mapping[str, ModuleType] = {}) -> ModuleType:
    path = path.absolute()
    name = "_ghostjax_spec_" + "_".join(path.with_suffix("").parts[-3:])
    source = importlib.util.spec_from_file_location(name, path)
    if source is None or source.loader is None:
        raise ImportError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(source)
    # Dataclasses look their module up in `sys.modules`. The module may import files beside it.
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    before = dict(sys.modules)
    sys.modules.update(known)
    try:
        source.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
        # The next folder may have a module of the same name.
        for other, found in list(sys.modules.items()):
            origin = getattr(found, "__file__", None)
            if other in known or (other not in before and origin and Path(origin).parent == path.parent):
                sys.modules.pop(other)
        sys.modules.update({other: before[other] for other in known if other in before})
    return module


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part in ("__pycache__", "node_modules", "site-packages") for part in path.parts)
