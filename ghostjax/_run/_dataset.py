"""Records as labelled arrays, in memory and on disk."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np

from ghostjax._simulation import Simulation
from ghostjax._types import require


if TYPE_CHECKING:
    import xarray


def declared_dims(simulation: Simulation, record: Mapping[str, np.ndarray]) -> dict[str, tuple[str, ...]]:
    """The dimensions of each entry of `record` after the round, as the metrics declare them.

    An entry that no metric declares gets `name_0`, `name_1`, ...
    """
    declared: dict[str, tuple[str, ...]] = {}
    for metric in simulation.metrics:
        declared |= dict(metric.dims)
    dims = {}
    for name, column in record.items():
        extra = column.ndim - 1
        dims[name] = tuple(declared.get(name, tuple(f"{name}_{i}" for i in range(extra))))
        require(
            len(dims[name]) == extra,
            "simulate",
            "metrics",
            f"dims {dims[name]} for {name!r}",
            f"it records arrays of shape {column.shape[1:]}; declare one dimension for each",
        )
    return dims


def labelled(
    record: Mapping[str, np.ndarray],
    dims: Mapping[str, tuple[str, ...]],
    byzantine: np.ndarray,
    attributes: dict[str, Any],
) -> "xarray.Dataset":
    """The record as a dataset with a `round` coordinate, and which nodes are Byzantine."""
    import xarray

    variables = {name: (("round", *dims.get(name, ())), plain(column)) for name, column in record.items()}
    rounds = len(next(iter(record.values()))) if record else 0
    n = len(byzantine)
    coords = {"round": np.arange(rounds), "node": np.arange(n), "byzantine": ("node", byzantine)}
    return xarray.Dataset(variables, coords, attributes)


def plain(column: np.ndarray) -> np.ndarray:
    """A column in a dtype that files know: bfloat16 and the like as float32."""
    return column.astype(np.float32) if column.dtype.kind == "V" or column.dtype.name.startswith("bf") else column


def write_dataset(dataset: "xarray.Dataset", path: Path) -> None:
    """Writes netCDF beside its place, flushes and renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        dataset.to_netcdf(temporary, engine="h5netcdf")
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_dataset(path: Path) -> "xarray.Dataset":
    """Reads netCDF into memory."""
    import xarray

    return xarray.load_dataset(path, engine="h5netcdf")
