"""A user's configuration, kept beside the numbers, as data that a file can hold."""

import datetime
import enum
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from ghostjax._border import shown
from ghostjax._types import ConfigurationError


DEPTH = 50
"""Levels of nesting that are followed. Deeper nesting means that an object contains itself."""


def plain_config(config: Any, call: str) -> dict[str, Any] | None:
    """`config` as dicts, lists, text, numbers, booleans and None.

    Numbers and arrays of numpy and jax become numbers and lists, tuples become lists, paths and dates become text.
    Anything else is refused, and the error names its place.
    """
    if config is None:
        return None
    if not isinstance(config, Mapping):
        raise _refused(config, call, "config", "give a dict of plain data")
    return _plain(config, call, "config", 0)


def _plain(value: Any, call: str, place: str, depth: int) -> Any:
    if depth == DEPTH:
        raise _refused("...", call, place[:60], f"it is nested deeper than {DEPTH} levels")
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or type(value) in (bool, int, float, str):
        if type(value) is int and abs(value) >= 10**4000:
            raise _refused("...", call, place, "files take whole numbers of at most 4000 digits")
        return value
    if isinstance(value, Mapping):
        return _table(value, call, place, depth)
    if isinstance(value, list | tuple):
        return [_plain(one, call, f"{place}[{i}]", depth + 1) for i, one in enumerate(value)]
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _numbers(value, call, place)
    for kind in (str, int, float):  # subclasses of them
        if isinstance(value, kind):
            return kind(value)
    raise _refused(value, call, place, "keep numbers, text, and lists and dicts of them")


def _table(value: Mapping, call: str, place: str, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, one in value.items():
        name = key.item() if isinstance(key, np.generic) else key
        if not (isinstance(name, str | int | float) or name is None) or str(name) in found:
            raise _refused(f"key {shown(key)}", call, place, "keys are text, no two alike")
        found[str(name)] = _plain(one, call, f"{place}[{str(name)[:40]!r}]", depth + 1)
    return found


def _numbers(value: Any, call: str, place: str) -> Any:
    try:
        array = np.asarray(value)
        if array.dtype.kind in "fV" and array.dtype != np.float64:  # the shortest decimals that name these floats
            array = np.array([float(str(one)) for one in array.reshape(-1)]).reshape(array.shape)
        known = array.dtype.kind in "biufU"
    except (TypeError, ValueError):  # keys, structures
        known = False
    if not known:
        raise _refused(value, call, place, "keep numbers, text, or lists of them")
    return array.tolist()  # type: ignore[possibly-undefined]


def _refused(value: Any, call: str, place: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{call}: {place}={shown(value)}: {remedy}")
