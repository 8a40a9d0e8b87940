"""The training whose outcome is attributed."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._run import Run
from ghostjax._simulation import Simulation
from ghostjax._training import as_training, Training
from ghostjax._types import ConfigurationError


def training_of(call: str, given: Any, rounds: Any, key: Any, participation: Any) -> Training:
    """The training of a run (in the rounds played), the given training, or a training made of a simulation."""
    if not isinstance(given, Run):
        return as_training(call, given, rounds, key, participation)
    if given.training is None:
        raise ConfigurationError(
            f"{call}: run=...: the simulation of this run is unknown; read it with load_run(directory, simulation)"
        )
    as_training(call, given.training, rounds, key, participation)
    return given.training.resized(given.rounds, played=given.rounds, call=call)


def unobserved(simulation: Simulation) -> Simulation:
    """The same simulation without metrics, which would be computed and differentiated without effect."""
    return eqx.tree_at(lambda s: s.metrics, simulation, ()) if simulation.metrics else simulation


def weights_in(training: Training) -> Float[Array, "T n"]:
    """The participation weights in the dtype of the messages."""
    return jnp.asarray(training.weights, training.simulation.ravel.dtype)
