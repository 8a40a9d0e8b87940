"""Records as labelled arrays, in memory and on disk."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np

from ghostjax._border import shown
from ghostjax._files import write_atomic
from ghostjax._run._archive import original_name, stored_name
from ghostjax._simulation import Simulation
from ghostjax._types import require


if TYPE_CHECKING:
    import xarray


LONGEST = 200
"""The largest number of bytes that a name in a file may have."""
COORDINATES = ("round", "node", "byzantine")


def declared_dims(simulation: Simulation, record: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The dimensions of each entry of `record` (arrays, or their shapes) after the round, as the metrics declare them.

    Names and dimensions that no file could store are refused here.
    """
    outputs = simulation.outputs
    for name in record:
        _check_name(name)
    dims = {name: outputs[name].dims for name in record}
    _check_sizes(simulation.num_nodes, record, dims)
    return dims


def _check_name(name: Any) -> None:
    remedy = f"a recorded name is text of 1 to {LONGEST} bytes"
    require(isinstance(name, str) and name, "simulate", "metrics", f"name {shown(name)}", remedy)
    try:
        short = len(stored_name(name).encode()) <= LONGEST
    except UnicodeEncodeError:
        short = False
    require(short and name.strip(" .") == name, "simulate", "metrics", f"name {shown(name)}", remedy)


def _check_sizes(n: int, record: Mapping[str, Any], dims: Mapping[str, tuple[str, ...]]) -> None:
    """Checks that a dimension has one size, and that no entry has the name of a dimension."""
    sizes: dict[str, int] = {"node": n}
    for name, column in record.items():
        for dim, size in zip(dims[name], column.shape[1:], strict=True):
            _check_name(dim)
            require(dim != "round" and dim != "byzantine", "simulate", "metrics", f"dimension {dim!r} of {name!r}",
                    "that name is taken; give it another one")  # fmt: skip
            require(
                sizes.setdefault(dim, size) == size, "simulate", "metrics", f"dimension {dim!r} of {name!r}",
                f"it has {size} entries here and {sizes[dim]} elsewhere; give one of them another name",
            )  # fmt: skip
    for name in record:
        taken = name in COORDINATES or name in sizes
        require(not taken, "simulate", "metrics", f"name {name!r}", "a dimension has that name; give it another one")


def labelled(
    record: Mapping[str, np.ndarray],
    dims: Mapping[str, tuple[str, ...]],
    byzantine: np.ndarray,
    attributes: dict[str, Any],
    outputs: Mapping[str, Mapping[str, Any]] | None = None,
) -> "xarray.Dataset":
    """The record as a dataset with a `round` coordinate, and which nodes are Byzantine."""
    import xarray

    said = outputs or {}
    variables = {
        name: (("round", *dims.get(name, ())), plain(column), dict(said.get(name, {})))
        for name, column in record.items()
    }
    rounds = len(next(iter(record.values()))) if record else 0
    n = len(byzantine)
    coords = {"round": np.arange(rounds), "node": np.arange(n), "byzantine": ("node", byzantine)}
    return xarray.Dataset(variables, coords, attributes)


def plain(column: np.ndarray) -> np.ndarray:
    """A column in a dtype that files know: narrow floats such as bfloat16 become float32."""
    return column.astype(np.float32) if column.dtype.kind == "V" or column.dtype.name.startswith("bf") else column


def write_dataset(dataset: "xarray.Dataset", path: Path) -> None:
    """Writes netCDF, whole or not at all."""
    write_atomic(path, dataset_bytes(dataset))


def dataset_bytes(dataset: "xarray.Dataset") -> bytes:
    """The netCDF file of `dataset`, in memory. It fails here for data that cannot be stored."""
    buffer = io.BytesIO()
    names = {name: stored_name(str(name)) for name in {*dataset.variables, *dataset.dims}}
    dataset.rename({old: new for old, new in names.items() if old != new}).to_netcdf(buffer, engine="h5netcdf")
    return buffer.getvalue()


def dataset_of(content: bytes) -> "xarray.Dataset":
    """The dataset that `dataset_bytes` wrote. Compare the checksum of the bytes first: HDF5 trusts them."""
    import xarray

    dataset = xarray.load_dataset(io.BytesIO(content), engine="h5netcdf")
    names = {name: original_name(str(name)) for name in {*dataset.variables, *dataset.dims}}
    return dataset.rename({old: new for old, new in names.items() if old != new})
