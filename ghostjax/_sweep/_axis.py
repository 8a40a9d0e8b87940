"""Axes of a sweep: a name, the fields that it sets, and the values it takes."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ghostjax._border import shown
from ghostjax._run import describe
from ghostjax._types import require


TAKEN = {"round", "node", "seed", "done", "result", "num_byzantine"}
"""Names of the result's own dimensions and variables."""
LONGEST = 200
"""The largest number of characters of a name or a text label in files."""


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """One axis: each of `values` goes into every field of `paths` at once.

    `name` is the dimension of the result; `paths` are dotted paths into the simulation (the name itself unless
    given), so that `Axis("f", [1, 2], paths=("protocol.aggregator.f", "byzantine"))` moves the assumed and
    the true number of Byzantine identities together. `labels` are the coordinates (made from values unless given):
    texts, or numbers.

    Errors: `ConfigurationError` for a name or a label that no file could hold, and for equal labels.
    """

    name: str
    values: Sequence[Any]
    paths: Sequence[str] | None = None
    labels: Sequence[Any] | None = None

    def __post_init__(self):
        _check_name(self.name)
        call = f"axes[{self.name!r}]"
        values = _listed(self.values, call)
        require(len(values) > 0, "sweep", call, values, "give at least one value")
        labels = labels_of(values) if self.labels is None else _listed(self.labels, f"{call}.labels")
        labels = [label.item() if isinstance(label, np.generic) else label for label in labels]
        for label in labels:
            _check_label(label, call)
        if len({str if isinstance(label, str) else bool if isinstance(label, bool) else float for label in labels}) > 1:
            labels = [str(label) for label in labels]  # one coordinate has one type
        alike = len(labels) != len(values) or len(set(labels)) != len(labels)
        require(not alike, "sweep", call, shown(labels), "give one label per value, no two alike")
        paths = (self.name,) if self.paths is None else (self.paths,) if isinstance(self.paths, str) else self.paths
        paths = _listed(paths, f"{call}.paths")
        texts = all(isinstance(path, str) and path for path in paths)
        require(
            texts, "sweep", f"{call}.paths", shown(paths), "give dotted paths as text, such as 'protocol.aggregator.f'"
        )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "paths", tuple(paths))


def as_axes(axes: Any) -> list[Axis]:
    """Axes from `{name: values}`, `{name: {label: value}}`, `{name: Axis}` or a sequence of `Axis`."""
    remedy = "give {name: values}, or a list of gj.Axis(name, values)"
    if not isinstance(axes, Mapping):
        listed = isinstance(axes, tuple | list) and all(isinstance(axis, Axis) for axis in axes)
        require(listed, "sweep", "axes", shown(axes), remedy)
        found = list(axes)
    else:
        found = []
        for name, values in axes.items():
            if isinstance(values, Axis):
                found.append(dataclasses.replace(values, name=name))
            elif isinstance(values, Mapping):
                _check_name(name)
                found.append(Axis(name, list(values.values()), labels=list(values)))
            else:
                found.append(Axis(name, values))
    names = [axis.name for axis in found]
    require("seed" not in names, "sweep", "axes", names, "'seed' cannot be an axis; give seeds=")
    require(
        len(set(names)) == len(names) and not TAKEN & set(names),
        "sweep",
        "axes",
        names,
        f"names must differ from each other and from {sorted(TAKEN)}",
    )
    return found


def labels_of(values: Sequence[Any]) -> list[Any]:
    """Coordinates: numbers and strings themselves, objects by type and by the knobs in which they differ."""
    values = [value.item() if _single(value) else value for value in values]
    if all(isinstance(v, bool) for v in values) or all(isinstance(v, str) for v in values):
        return list(values)
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return [str(v) for v in values] if any(isinstance(v, float) and math.isnan(v) for v in values) else list(values)
    described = [describe(value) for value in values]
    names = [_name(value) for value in values]
    labels = []
    for i, name in enumerate(names):
        alike = [described[j] for j in range(len(values)) if names[j] == name]
        if len(alike) > 1:
            keys = [k for k in described[i] if len({str(d.get(k)) for d in alike}) > 1] if _plain(alike) else []
            name += f"({', '.join(f'{k}={_shown(described[i][k])}' for k in keys)})" if keys else ""
        labels.append(name[: LONGEST - 10])
    return [f"{x} #{labels[:i].count(x) + 1}" if labels.count(x) > 1 else x for i, x in enumerate(labels)]


def _listed(values: Any, call: str) -> list[Any]:
    """`values` as a list. Only ordered collections are accepted."""
    if isinstance(values, np.ndarray | jax.Array) and values.ndim:
        array = np.asarray(values)
        # The shortest decimals that name these floats: 0.1, and not 0.10000000149.
        return [float(str(one)) for one in array] if array.ndim == 1 and array.dtype.kind in "fV" else array.tolist()
    single = isinstance(values, str | bytes | set | frozenset | Mapping | np.ndarray | jax.Array)
    if single or not isinstance(values, Iterable):
        require(False, "sweep", call, shown(values), "give a list of values")
    return list(values)


def _check_name(name: Any) -> None:
    remedy = "a name is text that files can hold: not empty, without '/' or control characters, up to 200 characters"
    require(storable(name) and "/" not in name, "sweep", "axes", f"[{shown(name)}]", remedy)


def _check_label(label: Any, call: str) -> None:
    if isinstance(label, str):
        good = storable(label)
        require(good, "sweep", call, f"label {shown(label)}", "a text label holds 1 to 200 characters, no control ones")
        return
    number = isinstance(label, bool | int | float) and label == label
    require(number, "sweep", call, f"label {shown(label)}", "labels are texts or numbers; give {label: value}")
    if not isinstance(label, float):
        fits = -(2**63) <= label < 2**63
        require(
            fits,
            "sweep",
            call,
            shown(label),
            "a whole number of more than 64 bits cannot be stored; give {label: value}",
        )


def storable(text: Any) -> bool:
    """Whether files can hold `text` as a name."""
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST or text.strip(" .") != text:
        return False
    return text.isprintable() and text.encode(errors="replace").decode() == text


def _single(value: Any) -> bool:
    """Whether `value` is one number of numpy or jax."""
    return isinstance(value, np.generic) or (
        isinstance(value, np.ndarray | jax.Array) and value.ndim == 0 and value.dtype.kind in "biuf"
    )


def _name(value: Any) -> str:
    return str(getattr(value, "__name__", None) or (value if _scalar(value) else type(value).__name__))


def _scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _plain(described: list[Any]) -> bool:
    return all(isinstance(d, dict) for d in described)


def _shown(value: Any) -> str:
    return value["type"].split(".")[-1] if isinstance(value, dict) and "type" in value else f"{value}"[:24]
