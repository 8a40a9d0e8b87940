"""Checks before the first round: all that will be written can be written, tried in memory with one blank round."""

import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._declared import attributes_of
from ghostjax._files import remove, remove_drafts, unwritable
from ghostjax._rollout import one_step
from ghostjax._run._archive import CorruptFile, pack
from ghostjax._run._checkpoint import Checkpoint, Keeper, listed
from ghostjax._run._chunk import named_leaves
from ghostjax._run._dataset import dataset_bytes, declared_dims, labelled
from ghostjax._run._present import Present
from ghostjax._run._run import about, FILES, Run
from ghostjax._run._seal import broken, read_seal, SEAL
from ghostjax._simulation import Simulation
from ghostjax._training import Training
from ghostjax._types import ConfigurationError, Key, require


def recorded_dims(simulation: Simulation, key: Key, state: Any) -> dict[str, tuple[str, ...]]:
    """The dimensions of the record's entries. Names and shapes that no file could store are refused."""
    return declared_dims(simulation, _blank(simulation, key, state))


def prepare(
    directory: Path,
    found: Checkpoint | None,
    resume: bool,
    seconds: float,
    provenance: dict[str, Any],
    training: Training,
    state: Any,
) -> Keeper:
    """A keeper of checkpoints in a folder that can be written to, without the drafts of killed writers.

    The files of a finished run are written once now, in memory and with one blank round.
    """
    if found is None:  # otherwise the check was made before the rounds that are there
        _rehearse(provenance, training.simulation, training.key, state)
    problem = unwritable(directory)
    require(problem is None, "simulate", "directory", directory, f"cannot be written to ({problem}); choose another")
    remove_drafts(directory)
    if not resume:
        old = [directory / name for name in (SEAL, *sorted(FILES))]
        for path in [*old, *listed(directory)]:
            if not path.is_dir():
                remove(path)
    return Keeper(directory, provenance, seconds, found, Present(training.weights))


def _rehearse(provenance: dict[str, Any], simulation: Simulation, key: Key, state: Any) -> None:
    record = _blank(simulation, key, state)
    attributes = {"result": "", "message": "", "provenance": json.dumps(provenance)}
    try:
        byzantine, said = np.asarray(simulation.byzantine), attributes_of(simulation)
        dataset_bytes(labelled(record, declared_dims(simulation, record), byzantine, attributes, said))
        pack(dict.fromkeys([name for name, _ in named_leaves(state)], np.zeros(())) | record, {})
    except Exception as error:
        why = str(error).splitlines() or [type(error).__name__]
        raise ConfigurationError(f"simulate: metrics={sorted(record)}: cannot be written ({why[0]})") from error


def stands(run: Run, directory: Path) -> bool:
    """Whether exactly this run is saved in `directory` already, every byte as it was sealed."""
    try:
        seal = read_seal(directory)
    except CorruptFile:
        return False
    return seal.about == about(run) and seal.files.keys() == FILES and not broken(directory, seal)


def _blank(simulation: Simulation, key: Key, state: Any) -> dict[str, np.ndarray]:
    """A record of one round that was not played."""
    weights = jax.ShapeDtypeStruct((simulation.num_nodes,), jnp.result_type(float))
    row = eqx.filter_eval_shape(one_step, simulation, state, weights, key)[1]
    return {name: np.zeros((1, *like.shape), like.dtype) for name, like in row.items()}
