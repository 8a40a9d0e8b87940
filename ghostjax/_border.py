"""The border: every value that a user passes in is checked here, once, and refused in one line where it cannot work.

A refusal is a `ConfigurationError` that names the call, the parameter, the value seen and the way out (`require`).
Traced values cannot be checked and pass. The run reports their faults by its result code instead.
"""

import dataclasses
import difflib
import inspect
import math
import operator
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer

from ghostjax._repr import spelled
from ghostjax._types import concrete, ConfigurationError, require


class Checked(eqx.Module):
    """A module whose fields are checked when it is made.

    Knobs (`real_field`, `count_field`, `static_field`) have to be numbers in the range that they declare, and fields
    annotated with a family (`AbstractAggregator`, `Optimizer`, ...) members of it. Nothing is checked when jax rebuilds
    a module from its leaves.
    """

    def __check_init__(self):
        call = type(self).__name__
        for field in dataclasses.fields(self):
            value: Any = getattr(self, field.name)
            if value is None and field.default is None:  # left open
                continue
            if (knob := field.metadata.get("knob")) is not None:
                _check_knob(value, call, field.name, knob)
                single = getattr(field.type, "dim_str", None) == ""
                require(not single or not getattr(value, "ndim", 0), call, field.name, shown(value), "give one number")
            elif isinstance(field.type, type) and issubclass(field.type, eqx.Module):
                member(value, field.type, call, field.name)

    def __repr__(self) -> str:
        return spelled(self)


def _check_knob(value: Any, call: str, parameter: str, knob: dict[str, Any]) -> None:
    if not knob["static"]:
        if isinstance(value, Tracer | jax.ShapeDtypeStruct):
            return
        # The converter leaves a value that is no number as it came, so that it is named here.
        fits = isinstance(value, jax.Array) and value.dtype.kind in ("iu" if knob["whole"] else "fV")
        require(fits, call, parameter, shown(value), f"give {_wanted(knob)}")
        for one in np.asarray(value).reshape(-1).tolist():
            number(one, call, parameter, knob["low"], knob["high"], knob["nan"], knob["inf"])
    elif knob["whole"] and value is not None:
        whole(value, call, parameter, knob["low"], knob["high"])
    elif knob["choices"]:
        choice(value, knob["choices"], call, parameter)


def _wanted(knob: dict[str, Any]) -> str:
    return f"a {'whole ' if knob['whole'] else ''}number{_range(knob['low'], knob['high'])}"


def number(
    value: Any,
    call: str,
    parameter: str,
    low: float | None = None,
    high: float | None = None,
    nan: bool = False,
    inf: bool = False,
) -> Any:
    """`value` if it is one real number in `[low, high]`; `nan` and `inf` say whether these are meant too."""
    if isinstance(value, Tracer):
        return value
    real = isinstance(value, int | float | np.number | np.ndarray | jax.Array) and not isinstance(value, bool)
    real = real and np.ndim(value) == 0 and not np.iscomplexobj(value) and np.asarray(value).dtype.kind in "iufV"
    remedy = f"give a number{_range(low, high)}"
    require(real, call, parameter, shown(value), remedy)
    plain = float(value)
    if math.isnan(plain):
        require(nan, call, parameter, plain, remedy)
        return value
    require(inf or math.isfinite(plain), call, parameter, plain, f"give a finite number{_range(low, high)}")
    require((low is None or plain >= low) and (high is None or plain <= high), call, parameter, shown(value), remedy)
    return value


def whole(value: Any, call: str, parameter: str, low: int | None = None, high: int | None = None) -> int:
    """`value` as an int, from an integer of Python or numpy. A number that would have to be rounded is refused."""
    try:
        found = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        found = None
    remedy = f"give a whole number{_range(low, high)}"
    require(found is not None, call, parameter, shown(value), remedy)
    assert found is not None
    require((low is None or found >= low) and (high is None or found <= high), call, parameter, found, remedy)
    return found


def choice(value: Any, choices: Iterable[Any], call: str, parameter: str) -> Any:
    """`value` if it is one of `choices`; the nearest one is suggested."""
    known = list(choices)
    if any(value is one or (type(value) is type(one) and value == one) for one in known):
        return value
    near = difflib.get_close_matches(str(value), [str(one) for one in known], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"use {' or '.join(map(repr, known))}"
    raise ConfigurationError(f"{call}: {parameter}={shown(value)}: {hint}")


def member(value: Any, kind: type, call: str, parameter: str) -> Any:
    """`value` if it is an object of the family `kind`. The refusal of a class, a name or an optax object says why."""
    if isinstance(value, kind):
        return value
    what = kind.__name__.removeprefix("Abstract")
    raise ConfigurationError(f"{call}: {parameter}={shown(value)}: {_way_in(value, kind, what)}")


def members(values: Any, kind: type, call: str, parameter: str) -> tuple[Any, ...]:
    """`values` as a tuple of members of `kind`. A single member is refused; the way out is a list."""
    if isinstance(values, kind):
        raise ConfigurationError(f"{call}: {parameter}={shown(values)}: give a list, [{type(values).__name__}(...)]")
    require(isinstance(values, tuple | list), call, parameter, shown(values), "give a list")
    return tuple(member(value, kind, call, f"{parameter}[{i}]") for i, value in enumerate(values))


def folder(value: Any, call: str, parameter: str) -> Path:
    """`value` as the path of a folder that is there or can be made; `~` is the home directory."""
    remedy = "name a folder, as text or a pathlib.Path"
    require(
        isinstance(value, str | os.PathLike) and isinstance(os.fspath(value), str),
        call,
        parameter,
        shown(value),
        remedy,
    )
    text = os.fspath(value)
    require(text.strip() and "\0" not in text, call, parameter, repr(text), remedy)
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # no such user, or nobody's home is known
        raise ConfigurationError(f"{call}: {parameter}={text}: {error}; {remedy}") from error
    for part in (path, *path.parents):
        try:
            there, plain = os.path.lexists(part), part.is_dir()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{call}: {parameter}={shown(text)}: {error}; {remedy}") from error
        if there:
            require(plain, call, parameter, text, f"{'it' if part == path else part} is a file; {remedy}")
            break
    return path


def _way_in(value: Any, kind: type, what: str) -> str:
    names = {cls.__name__: public_name(cls).replace("ghostjax.", "gj.", 1) for cls in _final(kind)}
    module = getattr(value, "__module__", None) or type(value).__module__
    if kind.__name__ == "Optimizer" and (str(module).startswith("optax") or hasattr(value, "update")):
        return "write gj.Optimizer(optax.sgd, learning_rate=0.1), with any optax factory, so that its numbers are knobs"
    if isinstance(value, type) and issubclass(value, kind):
        return f"that is the class; make an object of it, {public_name(value).replace('ghostjax.', 'gj.', 1)}(...)"
    if isinstance(value, str):
        flat = {name.lower(): name for name in names}
        near = difflib.get_close_matches(value.split("(")[0].replace("_", "").lower(), flat, n=1)
        if near:
            return f"names are for the command line; give an object, {names[flat[near[0]]]}(...)"
    example = f", such as {next(iter(names.values()))}(...)" if names else ""
    article = "an" if what[0] in "AEIO" else "a"
    return f"give {article} {what.lower()}{example}, not {_kind_of(value)}"


def _kind_of(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "a function" if inspect.isroutine(value) else f"an object of {type(value).__name__}"


def _final(kind: type) -> Iterator[type]:
    """The members of a family that the package exports."""
    if kind.__module__.startswith("ghostjax.") and not inspect.isabstract(kind) and "._" not in public_name(kind):
        yield kind
    for cls in kind.__subclasses__():
        yield from _final(cls)


def public_name(kind: type) -> str:
    """Where a user finds `kind`: the shortest module path that exports it."""
    module = getattr(kind, "__module__", "") or ""
    parts = module.split(".")
    for length in range(1, len(parts)):
        package = ".".join(parts[:length])
        if getattr(sys.modules.get(package), kind.__qualname__, None) is kind:
            return f"{package}.{kind.__qualname__}"
    return f"{module}.{kind.__qualname__}"


def shown(value: Any) -> str:
    """`value` in one short line."""
    if isinstance(value, np.ndarray | jax.Array) and np.size(value) > 8:
        return f"array of shape {np.shape(value)}"
    if isinstance(value, type) or inspect.isroutine(value):
        return getattr(value, "__qualname__", None) or repr(value)
    if isinstance(value, eqx.Module):
        return f"{type(value).__name__}(...)"
    try:
        text = " ".join((repr(value) if isinstance(value, str) or not concrete(value) else str(value)).split())
    except Exception:  # it contains itself, or has no text
        text = _kind_of(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" between {low:g} and {high:g}"
    if low is not None:
        return f" of at least {low:g}"
    return "" if high is None else f" of at most {high:g}"
