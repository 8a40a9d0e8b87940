"""Runs a simulation from the host, chunk by chunk."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._rollout import rollout
from ghostjax._run._result import RunResult
from ghostjax._run._run import Run
from ghostjax._simulation import Simulation
from ghostjax._types import Key, require


@eqx.filter_jit(donate="all-except-first")
def _chunk(constants: Any, state: Any, rows: Any, active: Any) -> Any:
    simulation, key = constants
    return rollout(simulation, key, rows, state, active)


def simulate(
    simulation: Simulation,
    rounds: int,
    key: Key | int = 0,
    *,
    participation: Any = None,
    chunk: int = 50,
) -> Run:
    """Trains `simulation` for `rounds` rounds and returns what happened."""
    require(rounds >= 1, "simulate", "rounds", rounds, "must be at least 1")
    key = jax.random.key(key) if isinstance(key, int) else key
    n = simulation.num_nodes
    weights = np.ones((rounds, n), np.float32) if participation is None else np.asarray(participation)
    require(
        weights.shape == (rounds, n),
        "simulate",
        "participation",
        f"array of shape {weights.shape}",
        f"give one row per round and one column per node, ({rounds}, {n})",
    )
    state = eqx.filter_jit(simulation.init)(key)
    records = []
    for start in range(0, rounds, chunk):
        rows = weights[start : start + chunk]
        active = np.arange(chunk) < len(rows)
        rows = np.pad(rows, ((0, chunk - len(rows)), (0, 0)))
        state, record = _chunk((simulation, key), state, jnp.asarray(rows), jnp.asarray(active))
        records.append(jax.tree.map(lambda leaf, on=active: np.asarray(leaf)[on], record))
    record = {name: np.concatenate([r[name] for r in records]) for name in records[0]}
    return Run(result=RunResult.completed, record=record, state=state)
