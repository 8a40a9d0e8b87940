"""Axes of a sweep: a name, the fields that it sets, and the values it takes."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._run import describe
from ghostjax._simulation import Simulation
from ghostjax._types import ConfigurationError, require


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """One axis: each of `values` goes into every field of `paths` at once.

    `name` is the dimension of the result; `paths` are dotted paths into the simulation (the name itself unless
    given), so that `Axis("f", [1, 2], paths=("protocol.aggregator.f", "byzantine"))` moves the assumed and
    the true number of Byzantine identities together. `labels` are the coordinates (made from values unless given).
    """

    name: str
    values: Sequence[Any]
    paths: Sequence[str] | None = None
    labels: Sequence[Any] | None = None

    def __post_init__(self):
        values = list(self.values)
        require(len(values) > 0, "sweep", f"axes[{self.name!r}]", values, "give at least one value")
        labels = labels_of(values) if self.labels is None else list(self.labels)
        require(
            len(labels) == len(values) and len(set(labels)) == len(labels),
            "sweep",
            f"axes[{self.name!r}]",
            labels,
            "give one label per value, no two alike",
        )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "paths", (self.name,) if self.paths is None else tuple(self.paths))


def as_axes(axes: Any) -> list[Axis]:
    """Axes from `{name: values}`, `{name: {label: value}}`, `{name: Axis}` or a sequence of `Axis`."""
    if not isinstance(axes, Mapping):
        found = list(axes)
    else:
        found = []
        for name, values in axes.items():
            if isinstance(values, Axis):
                found.append(dataclasses.replace(values, name=name))
            elif isinstance(values, Mapping):
                found.append(Axis(name, list(values.values()), labels=list(values)))
            else:
                found.append(Axis(name, np.asarray(values).tolist() if hasattr(values, "dtype") else list(values)))
    names = [axis.name for axis in found]
    taken = {"round", "node"}
    require(
        len(set(names)) == len(names) and not taken & set(names),
        "sweep",
        "axes",
        names,
        f"names must differ from each other and from {sorted(taken)}",
    )
    return found


def labels_of(values: Sequence[Any]) -> list[Any]:
    """Coordinates: numbers and strings themselves, objects by type and by the knobs in which they differ."""
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    if all(isinstance(v, bool) for v in values) or all(isinstance(v, str) for v in values):
        return list(values)
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return list(values)
    described = [describe(value) for value in values]
    names = [_name(value) for value in values]
    labels = []
    for i, name in enumerate(names):
        alike = [described[j] for j in range(len(values)) if names[j] == name]
        if len(alike) > 1:
            keys = [k for k in described[i] if len({str(d.get(k)) for d in alike}) > 1] if _plain(alike) else []
            name += f"({', '.join(f'{k}={_shown(described[i][k])}' for k in keys)})" if keys else ""
        labels.append(name)
    return [f"{x} #{labels[:i].count(x) + 1}" if labels.count(x) > 1 else x for i, x in enumerate(labels)]


def set_paths(simulation: Simulation, settings: Mapping[str, Any]) -> tuple[Simulation, set[str]]:
    """The simulation with every `path: value` set, checked as if written so; and the paths it does not have.

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
        old = getattr(node, name)
        new = _set(old, rest, value) if rest else _like(old, value)
        convert = fields[name].metadata.get("converter")
        return with_field(node, name, new if rest or convert is None else convert(new))
    if isinstance(node, dict):
        if name not in node:
            raise LookupError(name)
        return {**node, name: _set(node[name], rest, value) if rest else _like(node[name], value)}
    if isinstance(node, tuple | list):
        if not name.isdigit() or int(name) >= len(node):
            raise LookupError(name)
        items = list(node)
        items[int(name)] = _set(items[int(name)], rest, value) if rest else _like(items[int(name)], value)
        return type(node)(*items) if hasattr(node, "_fields") else type(node)(items)
    raise LookupError(name)


def with_field(module: Any, name: str, value: Any, *, check: bool = True) -> Any:
    """A copy with one field replaced. Not by `__init__`, which may take other arguments; its checks do run."""
    copy = object.__new__(type(module))
    for field in dataclasses.fields(module):
        object.__setattr__(copy, field.name, value if field.name == name else getattr(module, field.name))
    for kind in type(module).__mro__ if check else ():
        if "__check_init__" in vars(kind):
            vars(kind)["__check_init__"](copy)
    return copy


def _like(old: Any, value: Any) -> Any:
    """A number in the dtype of the leaf that it replaces."""
    if isinstance(old, jax.Array) and isinstance(value, int | float | np.generic):
        return jnp.asarray(value, old.dtype)
    return value


def _name(value: Any) -> str:
    return str(getattr(value, "__name__", None) or (value if _scalar(value) else type(value).__name__))


def _scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _plain(described: list[Any]) -> bool:
    return all(isinstance(d, dict) for d in described)


def _shown(value: Any) -> str:
    return value["type"].split(".")[-1] if isinstance(value, dict) and "type" in value else f"{value}"[:24]
