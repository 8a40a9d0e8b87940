"""Modules in one line: the values of small knobs, the shape of everything large."""

import dataclasses
import inspect
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


SMALL = 8
"""Arrays of at most so many numbers are spelled out."""


def spelled(module: eqx.Module) -> str:
    """`Name(knob=value, ...)`. A knob that is off by default and still off (0, None, False, empty) is left out."""
    shown = []
    for field in dataclasses.fields(module):
        if field.repr and hasattr(module, field.name):
            value = getattr(module, field.name)
            if not (_off(value) and _off(field.default)):
                shown.append(f"{field.name}={value_text(value)}")
    return f"{type(module).__name__}({', '.join(shown)})"


def value_text(value: Any) -> str:
    """One value: numbers as a person writes them, large or traced arrays as `f32[3,4]`, functions by name."""
    if isinstance(value, Tracer | jax.ShapeDtypeStruct):
        return eqx.tree_pformat(value)
    if isinstance(value, np.ndarray | jax.Array | np.number):
        plain = not jnp.issubdtype(value.dtype, jax.dtypes.extended) and np.size(value) <= SMALL
        return _array(np.asarray(value)) if plain else eqx.tree_pformat(value)
    if isinstance(value, eqx.Module):
        return repr(value)
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {value_text(v)}" for k, v in value.items()) + "}"
    if type(value) in (list, tuple):
        inner = ", ".join(map(value_text, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    if inspect.isroutine(value) or isinstance(value, type):
        return getattr(value, "__qualname__", None) or repr(value)
    return " ".join(repr(value).split())


def _array(value: Any) -> str:
    if value.ndim:
        return "[" + ", ".join(map(_array, value)) + "]"
    if value.dtype.kind in "fV":  # the shortest decimals that name this float, in its own precision
        text = str(value)
        return text.removesuffix(".0")
    return str(value)


def _off(value: Any) -> bool:
    """Whether a knob is at what commonly means "not used"."""
    if value is None or value is False:
        return True
    if isinstance(value, tuple | list | dict):
        return not value
    number = isinstance(value, int | float | np.number | np.ndarray | jax.Array) and not isinstance(value, Tracer)
    return bool(number and np.ndim(value) == 0 and value == 0)
