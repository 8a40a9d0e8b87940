"""What a sweep leaves behind: all cells as one labelled dataset."""

import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np

from ghostjax._files import write_atomic
from ghostjax._run._dataset import plain, write_dataset
from ghostjax._sweep._cells import CellStore
from ghostjax._sweep._stats import difference, final_value, mean_over_seeds, worst_case
from ghostjax._types import require


if TYPE_CHECKING:
    import xarray


PLAN = "sweep.json"
SCHEMA = 2
"""The layout of a plan and of its cells."""


class Sweep:
    """All trainings of a sweep: `dataset` has a dimension per axis, then `seed`, `round` and what metrics declare.

    Cells that are not there yet hold nan, and False in `dataset.done`; `dataset.result` says how each ended.
    `interrupted` tells whether a signal ended the sweep before its cells were done.
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
        path = Path(path)
        write_dataset(self.dataset, path)
        return path

    def __repr__(self) -> str:
        done = self.dataset["done"]
        sizes = " x ".join(f"{size} {name}" for name, size in done.sizes.items())
        return f"Sweep({sizes}; {int(done.sum())}/{done.size} cells done)"

    def _repr_html_(self) -> str:
        return f"<b>{self!r}</b>{self.dataset._repr_html_()}"


def write_plan(directory: Path, plan: dict[str, Any]) -> None:
    """Keeps what the cells mean; every worker writes the same."""
    write_atomic(directory / PLAN, json.dumps(plan, indent=1).encode())


def collect(directory: str | Path) -> Sweep:
    """Everything of the sweep in `directory` that is there so far, whoever computed it."""
    path = Path(directory) / PLAN
    require(
        path.exists(), "collect", "directory", directory, f"there is no {PLAN}; run sweep(..., directory=...) first"
    )
    try:
        plan = json.loads(path.read_text())
        schema = plan["schema"]
    except (ValueError, KeyError, TypeError):
        schema = "unreadable"
    require(
        schema == SCHEMA,
        "collect",
        "directory",
        directory,
        f"its {PLAN} is damaged or of another version ({schema}, here {SCHEMA}); the same sweep(..., directory=...) "
        "writes it again and keeps the cells",
    )
    return assemble(plan, CellStore(Path(directory)))


def assemble(plan: dict[str, Any], store: CellStore, interrupted: bool = False) -> Sweep:
    """The dataset of a plan from the cells that are in the store."""
    import xarray

    axes, seeds, rounds = plan["axes"], plan["seeds"], plan["rounds"]
    dims = [axis["name"] for axis in axes] + ["seed"]
    sizes = (*(len(axis["labels"]) for axis in axes), len(seeds))
    cells = {name: store.load(name) for name in dict.fromkeys(plan["cells"])}
    found = [cells[name] for name in plan["cells"]]
    done = np.array([cell is not None for cell in found], bool).reshape(sizes)
    results = np.array(["" if cell is None else cell[1]["result"] for cell in found], str).reshape(sizes)
    variables: dict[str, Any] = {"done": (dims, done), "result": (dims, results)}
    for name in dict.fromkeys(name for cell in found if cell is not None for name in cell[0]):
        pieces = [None if cell is None else cell[0].get(name) for cell in found]
        inner = next(tuple(cell[1]["dims"].get(name, ())) for cell in found if cell is not None and name in cell[0])
        variables[name] = ([*dims, "round", *inner], _stacked(pieces).reshape(*sizes, rounds, *_extent(pieces)))
    coords: dict[str, Any] = {axis["name"]: axis["labels"] for axis in axes}
    coords |= {"seed": seeds, "round": np.arange(rounds)}
    coords["num_byzantine"] = (dims, np.array(plan["byzantine"], int).reshape(sizes))
    provenance = {name: value for name, value in plan.items() if name not in ("cells", "byzantine")}
    return Sweep(xarray.Dataset(variables, coords, {"provenance": json.dumps(provenance)}), interrupted)


def _extent(pieces: list[np.ndarray | None]) -> tuple[int, ...]:
    """The largest size of each dimension after the round: nodes may differ between cells."""
    shapes = [piece.shape[1:] for piece in pieces if piece is not None]
    return tuple(int(size) for size in np.max(np.array(shapes, int), axis=0)) if shapes[0] else ()


def _stacked(pieces: list[np.ndarray | None]) -> np.ndarray:
    """All pieces in one array, nan where there is none; numbers keep their dtype unless something is missing."""
    there = [plain(piece) for piece in pieces if piece is not None]
    extent = _extent(pieces)
    whole = len(there) == len(pieces) and all(piece.shape[1:] == extent for piece in there)
    dtype = np.result_type(*there) if whole or there[0].dtype.kind == "f" else np.dtype(float)
    stacked = np.full((len(pieces), there[0].shape[0], *extent), np.nan if dtype.kind == "f" else 0, dtype)
    for i, piece in enumerate(pieces):
        if piece is not None:
            stacked[(i, *(slice(size) for size in piece.shape))] = plain(piece)
    return stacked
