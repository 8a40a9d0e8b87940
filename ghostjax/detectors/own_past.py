"""A signal beside its own earlier observations."""

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
    """Deviations from the mean of `rounds` observations of its own, in their standard deviations.

        z = clip((x - mean) / max(std, floor), -limit, limit)

    The first `skip` observations are left out, the next `rounds` are the reference. There is nothing to compare with
    in either, so nothing alarms in them, and observations that are not finite do not count among them. An attacker that
    is there from the first round trains the reference. A training is not stationary: its signals drift without an
    attacker, and thresholds have to be calibrated on honest runs. A `limit` keeps an element whose own deviation is
    tiny from evidence in the hundreds.

    **Traced:** `rounds` (at least 2), `skip`, `floor`, `limit`. **State:** count, mean and squares of every element.
    """

    rounds: Int[Array, ""] = count_field(default=20, low=2)
    skip: Int[Array, ""] = count_field(default=0, low=0)
    floor: Float[Array, ""] = real_field(default=1e-6, low=0)
    limit: Float[Array, ""] = real_field(default=float("inf"), low=0, inf=True)

    def init(self, like: Any) -> PyTree:
        zero = jnp.zeros(like.shape, like.dtype)
        return OwnPastState(jnp.zeros(like.shape, jnp.int32), zero, zero)

    def step(self, state: PyTree, x: Float[Array, "*s"], age: Int[Array, ""]) -> tuple[PyTree, Float[Array, "*s"]]:
        del age
        # Welford's recurrence: no difference of large sums.
        compares, skips = state.observed >= self.skip + self.rounds, state.observed < self.skip
        counts = jnp.isfinite(x) & ~compares
        learns = counts & ~skips
        away = jnp.where(learns, x - state.mean, 0)
        observed = state.observed + counts.astype(jnp.int32)
        learned = jnp.maximum(observed - self.skip, 0)
        mean = state.mean + away / jnp.maximum(learned, 1).astype(x.dtype)
        squares = state.squares + jnp.where(learns, away * (x - mean), 0)
        std = jnp.sqrt(squares / jnp.maximum(learned - 1, 1).astype(x.dtype))
        z = (x - mean) / jnp.maximum(std, self.floor.astype(x.dtype))
        limit = self.limit.astype(x.dtype)
        return OwnPastState(observed, mean, squares), jnp.where(compares, jnp.clip(z, -limit, limit), jnp.nan)
