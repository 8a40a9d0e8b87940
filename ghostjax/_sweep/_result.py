"""The result of a sweep: all cells as one labelled dataset."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np

from ghostjax._border import folder
from ghostjax._run._archive import CorruptFile
from ghostjax._run._dataset import plain, write_dataset
from ghostjax._run._provenance import changed
from ghostjax._sweep._cells import CellStore, Loaded
from ghostjax._sweep._sealed import PLAN, read_plan
from ghostjax._sweep._stats import difference, final_value, mean_over_seeds, worst_case
from ghostjax._sweep._worker import BITS_DEPEND_ON
from ghostjax._types import ConfigurationError, require


if TYPE_CHECKING:
    import xarray


class Sweep:
    """All trainings of a sweep. `dataset` has a dimension per axis, then `seed`, `round` and those of metrics.

    Unfinished cells hold nan, and False in `dataset.done`. `dataset.result` is the result code of each cell.
    `interrupted` says whether a signal ended the sweep before its cells were done.
    """

    def __init__(self, dataset: "xarray.Dataset", interrupted: bool = False):
        self.dataset = dataset
        self.interrupted = interrupted

    @property
    def finished(self) -> bool:
        """Whether every cell is there."""
        return bool(self.dataset["done"].all())

    def final(self, metric: str, last: int = 5) -> "xarray.DataArray":
        """The mean of `metric` over the last `last` rounds that recorded it (1: the final value), per cell."""
        return final_value(self.dataset, metric, last)

    def mean(self, metric: str = "accuracy", **kwargs: Any) -> "xarray.Dataset":
        """The mean over seeds in every cell with its interval; see `mean_over_seeds`."""
        return mean_over_seeds(self.dataset, metric, **kwargs)

    def worst_case(self, metric: str = "accuracy", over: str = "attack", **kwargs: Any) -> "xarray.Dataset":
        """The worst option along `over` with its interval over seeds; see `worst_case`."""
        return worst_case(self.dataset, metric, over, **kwargs)

    def difference(
        self, metric: str = "accuracy", over: str = "aggregator", against: Any = None, **kwargs: Any
    ) -> "xarray.Dataset":
        """Every other option along `over` minus `against`, paired by seed, with its interval; see `difference`."""
        return difference(self.dataset, metric, over, against, **kwargs)

    def save(self, path: str | Path) -> Path:
        """Writes the dataset as netCDF."""
        path = Path(path).expanduser()
        write_dataset(self.dataset, path)
        return path

    def __repr__(self) -> str:
        done = self.dataset["done"]
        sizes = " x ".join(f"{size} {name}" for name, size in done.sizes.items())
        return f"Sweep({sizes}; {int(done.sum())}/{done.size} cells done)"

    def _repr_html_(self) -> str:
        return f"<b>{self!r}</b>{self.dataset._repr_html_()}"


def collect(directory: str | Path) -> Sweep:
    """All finished cells of the sweep in `directory`, from all workers.

    Every file is checked first. A damaged `sweep.json` is refused. A cell counts as not done, with a warning, if it is
    damaged, has the name of another cell, or differs from the file that was sealed when the sweep was finished.
    """
    path = folder(directory, "collect", "directory")
    store = CellStore(path)
    lost = f" ({len(others)} cells lie there)" if (others := store.others(())) else ""
    there = (path / PLAN).exists()
    require(there, "collect", "directory", path, f"there is no {PLAN}{lost}; run sweep(..., directory=...) first")
    try:
        seal = read_plan(path)
    except CorruptFile as error:
        raise ConfigurationError(
            f"collect: directory={path}: its {PLAN} is damaged or of another version ({error}); the same "
            "sweep(..., directory=...) writes it again and keeps the cells"
        ) from error
    if others := store.others(seal.about["cells"]):
        warnings.warn(
            f"collect: directory={path}: {len(others)} cells belong to no point of {PLAN}, {others[0]} is the first; "
            "they are left out",
            stacklevel=2,
        )
    return assemble(seal.about, loaded(seal.about, store, seal.files))


def assemble(plan: dict[str, Any], cells: Mapping[str, Loaded | None], interrupted: bool = False) -> Sweep:
    """The dataset of a plan from its cells by name."""
    import xarray

    axes, seeds, rounds = plan["axes"], plan["seeds"], plan["rounds"]
    dims = [axis["name"] for axis in axes] + ["seed"]
    sizes = (*(len(axis["labels"]) for axis in axes), len(seeds))
    found = [cells[name] for name in plan["cells"]]
    done = np.array([cell is not None for cell in found], bool).reshape(sizes)
    results = np.array(["" if cell is None else cell.manifest["result"] for cell in found], str).reshape(sizes)
    variables: dict[str, Any] = {"done": (dims, done), "result": (dims, results)}
    variables["num_byzantine"] = (dims, np.array(plan["byzantine"], int).reshape(sizes))
    for name in dict.fromkeys(name for cell in found if cell is not None for name in cell.record):
        pieces = [None if cell is None else cell.record.get(name) for cell in found]
        inner, attributes = _declared(name, [cell for cell in found if cell is not None and name in cell.record])
        values = _stacked(pieces).reshape(*sizes, rounds, *_extent(pieces))
        variables[name] = ([*dims, "round", *inner], values, attributes)
    coords: dict[str, Any] = {axis["name"]: axis["labels"] for axis in axes}
    coords |= {"seed": seeds, "round": np.arange(rounds)}
    provenance = {name: value for name, value in plan.items() if name not in ("kind", "cells", "byzantine")}
    return Sweep(xarray.Dataset(variables, coords, {"provenance": json.dumps(provenance, sort_keys=True)}), interrupted)


def loaded(plan: dict[str, Any], store: CellStore, bound: Mapping[str, str] = {}) -> dict[str, Loaded | None]:
    """The cells by name. Cells of `bound` that changed or went since they were sealed are left out, with a warning."""
    cells: dict[str, Loaded | None] = {}
    for name in dict.fromkeys(plan["cells"]):
        there, sealed = store.has(name), bound.get(f"cells/{name}.npz")
        cells[name] = cell = store.load(name)  # the store itself warns when it sets a file aside
        if sealed is not None and (not there or (cell is not None and cell.sha256 != sealed)):
            how = "is not the file that was sealed" if there else "is missing"
            warnings.warn(f"{name}.npz {how}, although its sweep was finished; it is not used", stacklevel=3)
            cells[name] = None
    environments = {
        json.dumps({key: cell.manifest["environment"].get(key) for key in BITS_DEPEND_ON}): cell.manifest["environment"]
        for cell in cells.values()
        if cell is not None
    }
    if len(environments) > 1:
        first, second = list(environments.values())[:2]
        differences = "; ".join(changed(first, second, BITS_DEPEND_ON))
        warnings.warn(
            f"cells of this sweep were made in different environments ({differences}): bits may differ", stacklevel=4
        )
    return cells


def _declared(name: str, cells: list[Loaded]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Dimensions after the round and attributes of an entry, which must agree in all of its cells."""
    inner = {tuple(cell.manifest["dims"].get(name, ())) for cell in cells}
    if len(inner) > 1:
        raise ConfigurationError(f"sweep: metrics={name!r}: cells record it with other dimensions, {sorted(inner)}")
    return inner.pop(), dict(cells[0].manifest["attributes"].get(name, {}))


def _extent(pieces: list[np.ndarray | None]) -> tuple[int, ...]:
    """The largest size of each dimension after the round: nodes may differ between cells."""
    shapes = [piece.shape[1:] for piece in pieces if piece is not None]
    return tuple(int(size) for size in np.max(np.array(shapes, int), axis=0)) if shapes[0] else ()


def _stacked(pieces: list[np.ndarray | None]) -> np.ndarray:
    """All pieces in one array, nan for missing ones. Whole numbers keep their dtype if no piece is missing."""
    there = [plain(piece) for piece in pieces if piece is not None]
    extent = _extent(pieces)
    whole = len(there) == len(pieces) and all(piece.shape[1:] == extent for piece in there)
    dtype = np.result_type(*there) if whole or there[0].dtype.kind == "f" else np.dtype(float)
    stacked = np.full((len(pieces), there[0].shape[0], *extent), np.nan if dtype.kind == "f" else 0, dtype)
    for i, piece in enumerate(pieces):
        if piece is not None:
            stacked[(i, *(slice(size) for size in piece.shape))] = plain(piece)
    return stacked
