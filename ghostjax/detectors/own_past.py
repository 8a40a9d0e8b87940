"""A signal beside its own first observations."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._types import count_field, real_field
from ghostjax.detectors._base import AbstractReference


class OwnPastState(NamedTuple):
    """Observations so far, their mean, and the sum of their squared deviations."""

    observed: Int[Array, "*s"]
    mean: Float[Array, "*s"]
    squares: Float[Array, "*s"]


class OwnPast(AbstractReference):
    """Deviations from the mean of the first `rounds` observations, in their standard deviations.

        z = (x - mean) / max(std, floor)

    There is nothing to compare with in these rounds, so nothing alarms in them, and observations that are not finite do
    not count among them. An attacker that is there from the first round trains the reference. A training is not
    stationary: its signals drift without an attacker, and thresholds have to be calibrated on honest runs.

    **Traced:** `rounds` (at least 2), `floor`. **State:** count, mean and squares of every element.
    """

    rounds: Int[Array, ""] = count_field(default=20, low=2)
    floor: Float[Array, ""] = real_field(default=1e-6, low=0)

    def init(self, like: Any) -> PyTree:
        zero = jnp.zeros(like.shape, like.dtype)
        return OwnPastState(jnp.zeros(like.shape, jnp.int32), zero, zero)

    def step(self, state: PyTree, x: Float[Array, "*s"]) -> tuple[PyTree, Float[Array, "*s"]]:
        # Welford's recurrence: no difference of large sums.
        compares = state.observed >= self.rounds
        learns = jnp.isfinite(x) & ~compares
        away = jnp.where(learns, x - state.mean, 0)
        count = state.observed + learns.astype(jnp.int32)
        mean = state.mean + away / jnp.maximum(count, 1).astype(x.dtype)
        squares = state.squares + jnp.where(learns, away * (x - mean), 0)
        std = jnp.sqrt(squares / jnp.maximum(count - 1, 1).astype(x.dtype))
        z = (x - mean) / jnp.maximum(std, self.floor.astype(x.dtype))
        return OwnPastState(count, mean, squares), jnp.where(compares, z, jnp.nan)
