"""Any module as a nested plain dict, which can be read, compared and hashed."""

import dataclasses
import enum
import functools
import hashlib
import inspect
import json
import math
import types
import weakref
from pathlib import PurePath
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import public_name


KNOWN = {"ghostjax", "jax", "jaxlib", "numpy", "optax", "flax", "equinox", "builtins", "functools"}
"""Packages whose functions are described by their version. Other functions are described by their source too."""
SMALL = 16
"""Arrays of at most so many numbers are spelled out. Larger ones are described by their sha256."""
_DIGESTS: dict[int, tuple[weakref.ref, str]] = {}


class Describer:
    """Turns objects into plain data, and caches the digests of large arrays."""

    def __init__(self):
        self._digests: dict[int, tuple[weakref.ref, str]] = {}
        self._open: list[int] = []

    def __call__(self, value: Any) -> Any:
        """`value` as dicts, lists, strings, numbers, booleans and None."""
        if value is None or isinstance(value, bool | int | str):
            return value.value if isinstance(value, enum.Enum) else value
        if isinstance(value, float):
            return value if math.isfinite(value) else repr(value)
        if isinstance(value, jax.Array | np.ndarray | np.generic):
            return self._array(value)
        if isinstance(value, jax.ShapeDtypeStruct):
            return {"shape": list(value.shape), "dtype": str(value.dtype)}
        if isinstance(value, np.dtype):
            return value.name
        if isinstance(value, type):
            return public_name(value)
        if id(value) in self._open:  # a closure that contains itself
            return f"above {len(self._open) - self._open.index(id(value))}"
        self._open.append(id(value))
        try:
            return self._compound(value)
        finally:
            self._open.pop()

    def _compound(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): self(v) for k, v in value.items()}
        if isinstance(value, functools.partial):
            return {"type": "functools.partial", **self._partial(value)}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            fields = type(value)._fields  # type: ignore[attr-defined]
            return {"type": public_name(type(value)), **{k: self(v) for k, v in zip(fields, value, strict=True)}}
        if isinstance(value, list | tuple):
            return [self(v) for v in value]
        if isinstance(value, set | frozenset):
            return sorted((self(v) for v in value), key=canonical)
        if isinstance(value, PurePath):
            return str(value)
        if dataclasses.is_dataclass(value):
            fields = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
            return {**_named(type(value)), **{k: self(v) for k, v in fields.items()}}
        if callable(value) and (hasattr(value, "__qualname__") or isinstance(value, types.MethodType)):
            return self._function(value)
        if hasattr(value, "__dict__"):
            return {**_named(type(value)), **{k: self(v) for k, v in sorted(vars(value).items())}}
        return f"{public_name(type(value))}: {value!r}"

    def _partial(self, value: functools.partial) -> dict[str, Any]:
        return {"func": self(value.func), "args": self(value.args), "keywords": self(value.keywords)}

    def _function(self, value: Any) -> Any:
        name = f"{getattr(value, '__module__', None)}.{value.__qualname__}"
        inner = inspect.unwrap(value)
        found: dict[str, Any] = {"function": name}
        if name.split(".")[0] not in KNOWN and "site-packages" not in _file(inner):
            found["source"] = _source(inner)
        closure, defaults = getattr(inner, "__closure__", None), getattr(inner, "__defaults__", None)
        if closure and "<locals>" in name:  # a function made by a call: the arguments of the call are in its cells
            found["closure"] = {
                key: self(_contents(cell)) for key, cell in zip(inner.__code__.co_freevars, closure, strict=True)
            }
        if defaults:
            found["defaults"] = self(defaults)
        if isinstance(value, types.MethodType):
            found["self"] = self(value.__self__)
        return name if len(found) == 1 else found

    def _digest(self, value: Any) -> str:
        # jax arrays never change, so their digests are kept beyond this object. numpy arrays may change.
        known = _DIGESTS if isinstance(value, jax.Array) else self._digests
        seen = known.get(id(value))
        if seen is None or seen[0]() is not value:  # an id is unique only while the object lives
            digest = hashlib.sha256(np.ascontiguousarray(np.asarray(value)).tobytes()).hexdigest()
            forget = lambda _, name=id(value), known=known: known.pop(name, None)
            seen = known[id(value)] = weakref.ref(value, forget), digest
        return seen[1]

    def _array(self, value: Any) -> Any:
        if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            return {"key": np.asarray(jax.random.key_data(value)).tolist(), "impl": str(jax.random.key_impl(value))}
        if value.size <= SMALL:
            array = np.asarray(value)
            if array.dtype.kind in "fV":  # the shortest decimals that name these floats
                plain = [_shortest(v) for v in array.reshape(-1)]
                return plain[0] if array.ndim == 0 else np.array(plain, object).reshape(array.shape).tolist()
            return array.tolist() if array.dtype.kind in "biu" else str(array.tolist())
        return {"shape": list(value.shape), "dtype": str(value.dtype), "sha256": self._digest(value)}


def describe(value: Any) -> Any:
    """Any module as nested plain data: `{"type": "ghostjax.aggregators.TrimmedMean", "f": 2.0, ...}`.

    Small arrays are spelled out; larger ones are given by shape, dtype and sha256. Functions are given by their
    qualified name, and functions of the user also by the sha256 of their source and by the contents of their closures.
    Functions that these call are not part of it. `program_digest` covers them: it is compared before a file is used
    again.
    """
    return Describer()(value)


def canonical(description: Any) -> str:
    """The text of a description that is hashed: equal descriptions have equal texts."""
    return json.dumps(description, sort_keys=True, separators=(",", ":"))


def fingerprint(description: Any) -> str:
    """The sha256 of a description."""
    return hashlib.sha256(canonical(description).encode()).hexdigest()


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two descriptions differ, one line `path: old -> new` each."""
    if isinstance(old, dict) and isinstance(new, dict) and old.get("type") == new.get("type"):
        lines = []
        for key in [*old, *(k for k in new if k not in old)]:
            lines += differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        return lines
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line for i, pair in enumerate(zip(old, new, strict=True)) for line in differences(*pair, f"{path}[{i}]")
        ]
    return [] if old == new else [f"{path}: {_short(old)} -> {_short(new)}"]


def _named(kind: type) -> dict[str, Any]:
    name = public_name(kind)
    if name.split(".")[0] in KNOWN or "site-packages" in _file(kind):
        return {"type": name}
    return {"type": name, "source": _source(kind)}


def _file(value: Any) -> str:
    try:
        return inspect.getfile(value)
    except (TypeError, OSError):
        return ""


def _source(value: Any) -> str:
    try:
        text = inspect.getsource(value)
        if getattr(value, "__name__", "") == "<lambda>":  # functions on one line share its source
            text += bytecode(value.__code__)
    except (OSError, TypeError):  # typed at a prompt, or compiled
        text = bytecode(getattr(value, "__code__", None)) or repr(value)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def bytecode(code: Any) -> str:
    """A function's code as text that does not depend on its file or line."""
    if code is None:
        return ""
    constants = [bytecode(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return repr((code.co_code, constants, code.co_names))


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _shortest(value: Any) -> Any:
    number = float(str(value))
    return number if math.isfinite(number) else str(number)


def _short(value: Any) -> str:
    if isinstance(value, dict) and "type" in value:
        return value["type"].split(".")[-1]
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
