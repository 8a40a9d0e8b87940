"""The training that a ledger tells, to be played again."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import folder, member
from ghostjax._run._describe import describe, fingerprint
from ghostjax._simulation import Simulation
from ghostjax._training import Training
from ghostjax._types import require
from ghostjax.ledger._entries import decode, faults
from ghostjax.ledger._log import Log


def training(directory: str | Path, simulation: Simulation, *, state: Any = None) -> Training:
    """The rounds that the ledger in `directory` holds, as a training of `simulation`: root key and weights.

    `simulate(training)` has the bits of the run that was logged, on the same backend. `state` is where it began, if it
    did not begin anew.

    Errors: `ConfigurationError` for another simulation than was logged, or where nothing is.
    """
    path = folder(directory, "training", "directory")
    member(simulation, Simulation, "training", "simulation")
    with Log(path, readonly=True) as log:
        wrong = next(iter(faults(log.entries())), None)
        require(wrong is None, "training", "directory", path, f"it holds no rounds that could be played ({wrong})")
        facts = [decode(entry) for entry in log.entries()]
    weights = [one["weights"] for one in facts if one["kind"] == "round"]
    require(len(weights) > 0, "training", "directory", path, "no round is logged there")
    start = facts[0]
    same = fingerprint(describe(simulation)) == start["simulation"]
    require(same, "training", "simulation", "another one", "give the one that was logged")
    remedy = "it began from a state; give that" if start["start"] else "it began anew; leave it out"
    fits = (state is None) == (start["start"] is None)
    require(fits, "training", "state", "none" if state is None else "one", remedy)
    said, rows = start["key"], np.stack([np.asarray(w, float) for w in weights])
    key = jax.random.wrap_key_data(jnp.asarray(said["key"], jnp.uint32), impl=said["impl"])
    return Training(simulation, len(weights), key, rows, state, call="training")
