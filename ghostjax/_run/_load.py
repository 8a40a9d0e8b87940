"""Reading a saved run."""

import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import folder, member
from ghostjax._run._archive import CorruptFile, unpack_bytes
from ghostjax._run._checkpoint import restore
from ghostjax._run._chunk import begin
from ghostjax._run._dataset import dataset_of
from ghostjax._run._describe import describe, differences
from ghostjax._run._result import RunResult
from ghostjax._run._run import Run
from ghostjax._run._seal import read_bound, read_seal
from ghostjax._run._stored import participation_of, start_of
from ghostjax._simulation import Simulation
from ghostjax._training import Training
from ghostjax._types import ConfigurationError, Key, require


if TYPE_CHECKING:
    import xarray


def load_run(directory: str | Path, simulation: Simulation | None = None) -> Run:
    """As `gj.load_run`, without making the simulation again."""
    path = folder(directory, "load_run", "directory")
    if simulation is not None:
        member(simulation, Simulation, "load_run", "simulation")
    require(
        (path / "results.nc").exists() and (path / "final.npz").exists(),
        "load_run",
        "directory",
        path,
        "it needs results.nc, final.npz and seal.json, which Run.save and simulate(directory=...) write",
    )
    try:
        dataset, arrays, parts = read_saved(path)
    except CorruptFile as error:
        raise ConfigurationError(f"load_run: directory={path}: {error}; run it again") from error
    plain, training = parts.pop("training"), None
    if simulation is not None:
        lines = unlike(parts["provenance"].get("simulation"), simulation)
        require(
            not lines, "load_run", "simulation", "another one",
            f"{path} holds a run of a simulation that differs ({lines}); give the one that ran",
        )  # fmt: skip
        key = _key(parts["provenance"].get("key"))
        state = begin(simulation, jax.random.key(0) if key is None else key)
        parts["state"] = restore(arrays, state, path / "final.npz")
        training = None if key is None else _training(simulation, plain, arrays, key, state, path)
    return Run(
        record={str(name): column.values for name, column in dataset.data_vars.items()},
        models=jnp.asarray(arrays["models"]),
        byzantine=dataset.coords["byzantine"].values.astype(bool),
        simulation=simulation,
        training=training,
        directory=path,
        **parts,
    )


def read_saved(path: Path) -> tuple["xarray.Dataset", dict[str, Any], dict[str, Any]]:
    """Record, arrays and plain data of a saved run. `CorruptFile` if anything differs from the seal."""
    seal = read_seal(path)
    # Both checksums are compared before a file is opened: HDF5 may loop for ever in damaged bytes.
    final, results = (read_bound(path, seal, name) for name in ("final.npz", "results.nc"))
    arrays, manifest = unpack_bytes(final, path / "final.npz")
    try:
        dataset = dataset_of(results)
        parts = {
            "result": RunResult[dataset.attrs["result"]],
            "provenance": dict(json.loads(dataset.attrs["provenance"])),
            "dims": {name: tuple(names) for name, names in manifest["dims"].items()},
            "state": None,
            "outputs": {str(name): dict(column.attrs) for name, column in dataset.data_vars.items()},
            "training": manifest.get("training"),
        }
        assert "models" in arrays and "byzantine" in dataset.coords, "it lacks the models, or who is Byzantine"
    except Exception as error:  # sealed all the same: by somebody else, and it may hold anything
        why = str(error).splitlines() or [type(error).__name__]
        raise CorruptFile(f"its files are sealed and do not hold a run ({why[0]})") from error
    return dataset, arrays, parts


def _training(
    simulation: Simulation, plain: Any, arrays: dict[str, Any], key: Key, like: Any, path: Path
) -> Training | None:
    """The training that was saved; None if an earlier version saved none."""
    if plain is None:
        return None
    try:
        who, start = participation_of(plain, arrays), start_of(plain, arrays, like)
        return Training(simulation, plain["rounds"], key, who, start, call="load_run")
    except Exception as error:  # sealed all the same: by somebody else, and it may hold anything
        why = str(error).splitlines() or [type(error).__name__]
        raise ConfigurationError(
            f"load_run: directory={path}: its files are sealed and do not hold a training ({why[0]}); run it again"
        ) from error


def unlike(ran: Any, simulation: Simulation) -> str:
    """The differences between `simulation` and the description of the one that ran."""
    lines = differences(ran, describe(simulation))
    return "; ".join(lines[:3]) + (f" and {len(lines) - 3} more" if len(lines) > 3 else "")


def _key(described: Any) -> Key | None:
    """The root key that a description names."""
    if isinstance(described, list):  # old-style, two or four words
        return jnp.asarray(np.array(described, np.uint32))
    try:
        return jax.random.wrap_key_data(jnp.asarray(described["key"], jnp.uint32), impl=described["impl"])
    except (TypeError, KeyError, ValueError):
        return None
