"""Drift: the direction in which the network moves, compared with the descent of the stated goal."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ghostjax._kernels import weighted_mean
from ghostjax._round import Round
from ghostjax._types import require, static_field
from ghostjax.metrics._base import AbstractMetric, Output, present_rows


def _flat(value: Any) -> Any:
    return None if value is None else jnp.asarray(value, jnp.result_type(float))


class Drift(AbstractMetric):
    """The angle between the network's move and the descent of the stated goal, and the part that serves another goal.

    With y the descent direction that the round took and g the gradient of the stated goal,

        drift_cosine   = <y, g> / (||y|| ||g||)
        drift_residual = ||y - y_g|| / ||y||,    y_g = (<y, g> / ||g||^2) g
        drift_signed   = <y - y_g, u> / ||u||    (only with a `direction` u)

    At a server y is the aggregate and g is taken at the shared model. In gossip y is the move of the honest mean
    model, `mean_H models - mean_H next_models`, and g is taken at that mean. The residual is measured against the
    multiple of g that fits best, so a learning rate or a momentum that only rescales y is no drift. A small constant
    push along a hidden objective u is invisible in one round and adds up in `cumulative(drift_signed)`. Values are 0
    where y or g is 0.

    Costs one gradient of the stated goal.
    **Traced:** `direction` `[d]`, the fixed audit direction; `reference` `[d]`, used as g instead of a
    gradient. **Static:** `objective`, a function `params -> scalar` that states the goal in place of
    `task.evaluate(params)["loss"]`.
    """

    direction: Float[Array, " d"] | None
    reference: Float[Array, " d"] | None
    objective: Callable[[Any], Array] | None = static_field()
    outputs: ClassVar[Mapping[str, Output]] = {
        "drift_cosine": Output(long_name="cosine of the move with the stated goal's descent", better="higher"),
        "drift_residual": Output(long_name="share of the move that serves something else", better="lower"),
        "drift_signed": Output(long_name="move along the audit direction beside the stated goal"),
    }

    def __init__(
        self,
        direction: Any = None,
        *,
        reference: Any = None,
        objective: Callable[[Any], Array] | None = None,
    ):
        require(
            reference is None or objective is None,
            "Drift",
            "objective",
            "given with a reference",
            "state the goal once: as a function or as a fixed vector",
        )
        self.direction, self.reference = _flat(direction), _flat(reference)
        self.objective = objective

    def __call__(self, round: Round) -> dict[str, Array]:
        honest = round.honest
        if round.shared:
            theta, y = round.models, round.result
        else:
            theta = weighted_mean(present_rows(round.models, honest), honest)
            y = theta - weighted_mean(present_rows(round.next_models, honest), honest)
        g = self._goal(round, theta)
        norm_y, norm_g = jnp.linalg.norm(y), jnp.linalg.norm(g)
        unit = g / jnp.where(norm_g > 0, norm_g, 1)
        off = y - jnp.dot(y, unit) * unit
        scale = jnp.where(norm_y > 0, norm_y, 1)
        values = {
            "drift_cosine": jnp.dot(y, unit) / scale,
            "drift_residual": jnp.where(norm_g > 0, jnp.linalg.norm(off) / scale, 0),
        }
        if self.direction is not None:
            u = self.direction.astype(y.dtype)
            values["drift_signed"] = jnp.dot(off, u) / jnp.linalg.norm(u)
        return values

    def _goal(self, round: Round, theta: Array) -> Array:
        if self.reference is not None:
            return self.reference.astype(theta.dtype)
        if self.objective is not None:
            stated = self.objective
            return jax.grad(lambda at: stated(round.ravel.unravel(at)))(theta)
        return jax.grad(lambda at: round.evaluate(at)["loss"])(theta)


def cumulative(signed: Any, axis: int = 0) -> np.ndarray:
    """The running sum of a recorded series along its rounds; rounds that were not recorded (nan) add nothing.

    D_T = sum_{t <= T} signed_t
    """
    return np.nancumsum(np.asarray(signed), axis=axis)
