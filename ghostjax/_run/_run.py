"""The result of a run."""

import dataclasses
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._border import folder
from ghostjax._compiled import compiled
from ghostjax._declared import directed
from ghostjax._files import unwritable
from ghostjax._output import GOAL
from ghostjax._round import State
from ghostjax._run._archive import pack
from ghostjax._run._chunk import named_leaves
from ghostjax._run._dataset import dataset_bytes, labelled
from ghostjax._run._describe import fingerprint
from ghostjax._run._result import judged, RunResult
from ghostjax._run._seal import write_sealed
from ghostjax._run._stored import stored
from ghostjax._simulation import Simulation
from ghostjax._training import Training
from ghostjax._types import ConfigurationError, Key, require
from ghostjax.tasks._splits import evaluate_on, Split


if TYPE_CHECKING:
    import xarray


SCHEMA = 2
"""The version of the layout of a saved run."""
FILES = frozenset({"final.npz", "results.nc"})
"""The files that the seal of a run binds."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The result code, the record of every round, the final state and the provenance.

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
    outputs: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """The attributes that metrics declare of each entry: `long_name`, `units`, `better`, `every`."""
    training: Training | None = None
    """The training that was played: simulation, planned rounds, key, participation and start."""
    directory: Path | None = None
    """The folder of the run, if it has one."""

    @property
    def description(self) -> Mapping[str, Any]:
        """The simulation as nested plain data; also known of a run that was read without its simulation."""
        return self.provenance["simulation"]

    @property
    def key(self) -> Key | None:
        """The root key, if it is known."""
        return None if self.training is None else self.training.key  # type: ignore[return-value]

    @property
    def participation(self) -> Any:
        """The participation as it was given, None for everybody."""
        return None if self.training is None else self.training.participation

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
        return labelled(self.record, self.dims, self.byzantine, attributes, self.outputs)

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

        In gossip it is the mean over the models of honest nodes (of all nodes if none is certain to be honest). If the
        task declares which values are better, `worst_loss`, `worst_accuracy` and so on are the values of the worst
        node.
        """
        if self.simulation is None:
            raise ConfigurationError("Run.evaluate: simulation=None: read the run with load_run(directory, simulation)")
        found = {name: np.asarray(value) for name, value in _evaluated(self.simulation, self.models, split).items()}
        if self.models.ndim == 1:
            return {name: float(value) for name, value in found.items()}
        nodes = judged(self.byzantine)
        honest = {name: value[nodes] for name, value in found.items()}
        declared = getattr(self.simulation.task, "outputs", GOAL)
        directions = {name: declared[name].better for name in honest if name in declared}
        find = {"lower": np.max, "higher": np.min}
        worst = {f"worst_{name}": find[better](honest[name]) for name, better in directions.items() if better}
        return {name: float(value.mean()) for name, value in honest.items()} | {k: float(v) for k, v in worst.items()}

    def save(self, directory: str | Path) -> Path:
        """Writes `results.nc` (record and provenance), `final.npz` (models and state), and `seal.json` over both.

        The seal is written last and binds both by sha256, so a crash never combines the record of one run with the
        model of another. Returns the folder.
        """
        path = folder(directory, "Run.save", "directory")
        problem = unwritable(path)
        require(problem is None, "Run.save", "directory", path, f"cannot be written to ({problem}); choose another")
        arrays = {"models": self.models, **{f"state{name}": leaf for name, leaf in named_leaves(self.state)}}
        manifest: dict[str, Any] = {"dims": {k: list(v) for k, v in self.dims.items()}}
        if self.training is not None:
            rest, manifest["training"] = stored(self.training)
            arrays |= rest
        final = pack(arrays, manifest)
        write_sealed(path, {"final.npz": final, "results.nc": dataset_bytes(self.dataset)}, about(self))
        return path

    def extend(self, rounds: int, *, participation: Any = None, **options: Any) -> "Run":
        """This run continued until it has `rounds` rounds in all, with the bits of one uninterrupted run.

        The run must know its simulation (`load_run(directory, simulation)`). If `participation` was one row per round,
        give it again with more rows; the first rows are those that were played. `options` are those of `simulate`. A
        run with a folder continues there.

        Errors: `ConfigurationError` for fewer rounds than were played.
        """
        from ghostjax._run._simulate import extend

        return extend(self, rounds, participation, options)

    def __repr__(self) -> str:
        recorded = {k: self.record[k] for k in directed(self.record, self.outputs)}
        last = {k: column[~np.isnan(column)][-1:] for k, column in recorded.items()}
        shown = ", ".join(f"{k}={float(value[0]):.4g}" for k, value in last.items() if len(value))
        return f"Run({self.result.name}, {self.rounds} rounds{', ' + shown if shown else ''})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{name}</td><td>{'&times;'.join(map(str, column.shape))}</td>"
            f"<td>{f'{float(column[-1]):.4g}' if column.ndim == 1 and len(column) else ''}</td></tr>"
            for name, column in self.record.items()
        )
        head = "<tr><th>recorded</th><th>shape</th><th>last</th></tr>"
        return f"<b>Run</b>, {self.rounds} rounds: {self.result.value}<table>{head}{rows}</table>"


@compiled
def _evaluated(simulation: Simulation, models: Float[Array, "*n d"], split: Split) -> dict[str, Array]:
    def one(theta: Array) -> dict[str, Array]:
        return evaluate_on(simulation.task, simulation.ravel.unravel(theta), split)

    return one(models) if models.ndim == 1 else jax.lax.map(one, models)


def about(run: Run) -> dict[str, Any]:
    """The plain data about a run in its seal."""
    return {
        "kind": "run",
        "schema": SCHEMA,
        "result": run.result.name,
        "rounds": run.rounds,
        "run": identity(run.provenance),
    }


def identity(provenance: Mapping[str, Any]) -> str:
    """The sha256 that identifies a run: of key, participation, simulation, configuration and start."""
    parts = {name: provenance.get(name) for name in ("key", "participation", "simulation", "config")}
    return fingerprint(parts | ({"start": provenance["start"]} if provenance.get("start") else {}))
