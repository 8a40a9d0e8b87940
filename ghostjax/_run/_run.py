"""What a run leaves behind."""

import dataclasses
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._compiled import compiled
from ghostjax._round import State
from ghostjax._run._archive import CorruptFile, pack, unpack, write_atomic
from ghostjax._run._checkpoint import restore
from ghostjax._run._chunk import begin, named_leaves
from ghostjax._run._dataset import labelled, read_dataset, write_dataset
from ghostjax._run._result import RunResult
from ghostjax._simulation import Simulation
from ghostjax._types import ConfigurationError, require
from ghostjax.tasks._splits import evaluate_on, Split


if TYPE_CHECKING:
    import xarray


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The result code, the record of every round, the final state and where it all came from.

    `record` holds plain arrays with the round first; `dataset` the same with names, dimensions and the
    provenance. `state` and `simulation` are None for a run read from disk without its simulation.
    """

    result: RunResult
    record: Mapping[str, np.ndarray]
    state: State | None
    provenance: Mapping[str, Any]
    models: Float[Array, "*n d"]
    """The final models: one flat vector `[d]`, or one per node `[n, d]`."""
    dims: Mapping[str, tuple[str, ...]]
    """Dimensions of the entries of `record` that are not scalars, as the metrics declare them."""
    byzantine: Bool[np.ndarray, " n"]
    simulation: Simulation | None = None

    @property
    def rounds(self) -> int:
        """Number of rounds played."""
        return len(next(iter(self.record.values()))) if self.record else 0

    @cached_property
    def dataset(self) -> "xarray.Dataset":
        """The record as an `xarray.Dataset`: dimension `round`, `node` and what the metrics declare."""
        attributes = {
            "result": self.result.name,
            "message": self.result.value,
            "provenance": json.dumps(self.provenance),
        }
        return labelled(self.record, self.dims, self.byzantine, attributes)

    def params(self) -> PyTree:
        """The final model as the tree that the task's model works with; in gossip with a node axis first."""
        if self.simulation is None:
            raise ConfigurationError("Run.params: simulation=None: read the run with load_run(directory, simulation)")
        ravel = self.simulation.ravel
        if self.models.ndim == 1:
            return ravel.unravel(self.models)
        return jax.vmap(ravel.unravel)(self.models)

    def evaluate(self, split: Split = "validation") -> dict[str, float]:
        """The goal of the final model on one split of the task; read "test" once, for tables.

        In gossip the mean over the models of honest nodes, and under `worst_loss` and `worst_accuracy` those of the
        node that fares worst.
        """
        if self.simulation is None:
            raise ConfigurationError("Run.evaluate: simulation=None: read the run with load_run(directory, simulation)")
        found = {name: np.asarray(value) for name, value in _evaluated(self.simulation, self.models, split).items()}
        if self.models.ndim == 1:
            return {name: float(value) for name, value in found.items()}
        honest = {name: value[~self.byzantine] for name, value in found.items()}
        worst = {f"worst_{name}": find(honest[name]) for name, find in WORST.items() if name in honest}
        return {name: float(value.mean()) for name, value in honest.items()} | {k: float(v) for k, v in worst.items()}

    def save(self, directory: str | Path) -> Path:
        """Writes `results.nc` (record and provenance) and `final.npz` (models and state); returns the folder."""
        directory = Path(directory)
        arrays = {"models": self.models, **{f"state{name}": leaf for name, leaf in named_leaves(self.state)}}
        write_atomic(directory / "final.npz", pack(arrays, {"dims": {k: list(v) for k, v in self.dims.items()}}))
        write_dataset(self.dataset, directory / "results.nc")
        return directory

    def __repr__(self) -> str:
        last = {k: float(v[-1]) for k, v in self.record.items() if v.ndim == 1 and len(v)}
        shown = ", ".join(f"{k}={last[k]:.4g}" for k in ("loss", "accuracy") if k in last)
        return f"Run({self.result.name}, {self.rounds} rounds{', ' + shown if shown else ''})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{name}</td><td>{'&times;'.join(map(str, column.shape))}</td>"
            f"<td>{f'{float(column[-1]):.4g}' if column.ndim == 1 and len(column) else ''}</td></tr>"
            for name, column in self.record.items()
        )
        head = "<tr><th>recorded</th><th>shape</th><th>last</th></tr>"
        return f"<b>Run</b>, {self.rounds} rounds: {self.result.value}<table>{head}{rows}</table>"


WORST = {"loss": np.max, "accuracy": np.min}
"""Which of several nodes fares worst."""


@compiled
def _evaluated(simulation: Simulation, models: Float[Array, "*n d"], split: Split) -> dict[str, Array]:
    def one(theta: Array) -> dict[str, Array]:
        return evaluate_on(simulation.task, simulation.ravel.unravel(theta), split)

    return one(models) if models.ndim == 1 else jax.lax.map(one, models)


def load_run(directory: str | Path, simulation: Simulation | None = None) -> Run:
    """Reads what `Run.save` wrote; with the `simulation` also its state, so that `params` works.

    Errors: `ConfigurationError` if there is no saved run, a file is corrupt, or the simulation has other shapes.
    """
    directory = Path(directory)
    require(
        (directory / "results.nc").exists() and (directory / "final.npz").exists(),
        "load_run",
        "directory",
        directory,
        "it needs results.nc and final.npz, which Run.save and simulate(directory=...) write",
    )
    try:
        arrays, manifest = unpack(directory / "final.npz")
    except CorruptFile as error:
        raise ConfigurationError(f"load_run: directory={directory}: {error}; run it again") from error
    try:
        dataset = read_dataset(directory / "results.nc")
        result, provenance = RunResult[dataset.attrs["result"]], json.loads(dataset.attrs["provenance"])
    except (OSError, KeyError, ValueError) as error:
        raise ConfigurationError(
            f"load_run: directory={directory}: results.nc cannot be read ({str(error).splitlines()[0]}); run it again"
        ) from error
    state = None
    if simulation is not None:
        state, _ = restore(arrays, begin(simulation, jax.random.key(0)), directory / "final.npz")
    return Run(
        result=result,
        record={str(name): column.values for name, column in dataset.data_vars.items()},
        state=state,
        provenance=provenance,
        models=jnp.asarray(arrays["models"]),
        dims={name: tuple(names) for name, names in manifest["dims"].items()},
        byzantine=dataset.coords["byzantine"].values.astype(bool),
        simulation=simulation,
    )
