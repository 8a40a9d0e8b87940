"""Outcomes: one number of the final state of a training."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels import weighted_mean
from ghostjax._round import State
from ghostjax._simulation import Simulation


Outcome = Callable[[Simulation, State], Float[Array, ""]]
"""`outcome(simulation, final_state) -> scalar`, lower is better, differentiable in the state for `adjoint`."""


def final_model(simulation: Simulation, state: State) -> Float[Array, " d"]:
    """The shared model, or in gossip the unweighted mean of the models of honest nodes."""
    models = simulation.protocol.models(state.protocol)
    if models.ndim == 1:
        return models
    honest = jnp.where(simulation.byzantine, 0, 1).astype(models.dtype)
    return weighted_mean(jnp.where(simulation.byzantine[:, None], 0, models), honest)


def goal_loss(simulation: Simulation, state: State) -> Float[Array, ""]:
    """The loss of the stated goal at `final_model`: the default outcome."""
    return simulation.task.evaluate(simulation.ravel.unravel(final_model(simulation, state)))["loss"]
