"""Dotted paths into a simulation: set with the checks of a constructor, and refused by name if unknown."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ghostjax._border import number, whole
from ghostjax._simulation import Simulation
from ghostjax._types import as_real, ConfigurationError


def set_paths(simulation: Simulation, settings: Mapping[str, Any]) -> tuple[Simulation, set[str]]:
    """The simulation with every `path: value` set, checked as by its constructor; and the paths it does not have.

    Outer paths are set first, so that one axis may choose an object and another a knob of it.
    """
    parts = {field.name: getattr(simulation, field.name) for field in dataclasses.fields(simulation)}
    missing = set()
    for path in sorted(settings, key=lambda path: path.count(".")):
        head, *rest = path.split(".")
        if head not in parts:
            missing.add(path)
        elif not rest:
            parts[head] = settings[path]
        else:
            try:
                parts[head] = _set(parts[head], rest, settings[path])
            except LookupError:
                missing.add(path)
    if getattr(parts["attack"], "says_who", False) and "byzantine" not in settings:
        parts["byzantine"] = None  # the mask of the attack that was there before
    return Simulation(parts.pop("task"), parts.pop("protocol"), **parts), missing


def unknown_path(simulation: Simulation, path: str) -> ConfigurationError:
    """The error for a path that no cell has, with the nearest ones that exist."""
    known = list(paths_of(simulation))
    same_end = [p for p in known if p.split(".")[-1] == path.split(".")[-1]]
    close = [p for p in difflib.get_close_matches(path, known, n=2, cutoff=0.5) if p not in same_end]
    meant = " or ".join(repr(p) for p in (same_end + close)[:3])
    hint = f"did you mean {meant}?" if meant else f"fields are {', '.join(p for p in known if '.' not in p)}"
    return ConfigurationError(f"sweep: axes[{path!r}]: the simulation has no such field; {hint}")


def paths_of(value: Any, prefix: str = "") -> Iterator[str]:
    """Dotted paths of all fields."""
    if isinstance(value, eqx.Module):
        children = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, tuple | list):
        children = list(enumerate(value))
    else:
        return
    for name, child in children:
        yield f"{prefix}{name}"
        yield from paths_of(child, f"{prefix}{name}.")


def _set(node: Any, path: list[str], value: Any) -> Any:
    """A copy of `node` with the field at `path` set; `LookupError` if there is none."""
    name, *rest = path
    if isinstance(node, eqx.Module):
        fields = {field.name: field for field in dataclasses.fields(node)}
        if name not in fields:
            raise LookupError(name)
        if rest:
            return with_field(node, name, _set(getattr(node, name), rest, value))
        convert = fields[name].metadata.get("converter")
        return with_field(node, name, _like(getattr(node, name), value, name) if convert is None else convert(value))
    if isinstance(node, dict):
        if name not in node:
            raise LookupError(name)
        return {**node, name: _set(node[name], rest, value) if rest else _like(node[name], value, name)}
    if isinstance(node, tuple | list):
        if not name.isdigit() or int(name) >= len(node):
            raise LookupError(name)
        items = list(node)
        place = int(name)
        items[place] = _set(items[place], rest, value) if rest else _like(items[place], value, name)
        return type(node)(*items) if hasattr(node, "_fields") else type(node)(items)
    raise LookupError(name)


def with_field(module: Any, name: str, value: Any, *, check: bool = True) -> Any:
    """A copy with one field replaced. `__init__` is not called, since it may take other arguments. The checks run."""
    copy = object.__new__(type(module))
    for field in dataclasses.fields(module):
        object.__setattr__(copy, field.name, value if field.name == name else getattr(module, field.name))
    for kind in type(module).__mro__ if check else ():
        if "__check_init__" in vars(kind):
            vars(kind)["__check_init__"](copy)
    return copy


def at_path(module: Any, path: tuple[str, ...]) -> Any:
    """The field at `path`, or the entry of a dict."""
    for name in path:
        module = module[name] if isinstance(module, dict) else getattr(module, name)
    return module


def with_path(module: Any, path: tuple[str, ...], value: Any) -> Any:
    """A copy with the field at `path` replaced, unchecked."""
    name, *rest = path
    inner = with_path(at_path(module, (name,)), tuple(rest), value) if rest else value
    return {**module, name: inner} if isinstance(module, dict) else with_field(module, name, inner, check=False)


def _like(old: Any, value: Any, name: str) -> Any:
    """A number in the dtype of the number that it replaces. Refused if there is none, or if it would be rounded."""
    if isinstance(value, eqx.Module) or not isinstance(old, jax.Array | eqx.Module):
        return value
    if isinstance(old, eqx.Module):  # a schedule in place of a number
        return as_real(number(value, "sweep", name))
    if old.ndim or old.dtype.kind not in "iuf":
        return value
    plain = whole(value, "sweep", name) if old.dtype.kind in "iu" else number(value, "sweep", name, nan=True, inf=True)
    return jnp.asarray(plain, old.dtype)
