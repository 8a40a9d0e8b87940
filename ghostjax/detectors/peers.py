"""An identity beside the others of the same round."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._types import real_field, require
from ghostjax.detectors._base import AbstractReference


class Peers(AbstractReference):
    """Deviations from the median of all identities in the same round, in units of their median absolute deviation.

        z_i = clip((x_i - median_j x_j) / max(1.4826 median_j |x_j - median x|, floor), -limit, limit)

    Along the first axis of a signal, an entry per node; nan entries do not count. It needs no past, and an attacker
    of less than half of the identities cannot move the median beyond honest values. Honest identities differ
    persistently, by their data: it accuses them.

    **Traced:** `floor`, `limit`. **State:** none. **Errors:** a signal without a node axis.
    """

    floor: Float[Array, ""] = real_field(default=1e-6, low=0)
    limit: Float[Array, ""] = real_field(default=float("inf"), low=0, inf=True)

    def init(self, like: Any) -> PyTree:
        require(len(like.shape) > 0, "Peers", "signal", "one number a round", "watch a signal with an entry per node")
        return ()

    def step(self, state: PyTree, x: Float[Array, "*s"], age: Int[Array, ""]) -> tuple[PyTree, Float[Array, "*s"]]:
        del age
        away = x - jnp.nanmedian(x, axis=0, keepdims=True)
        spread = 1.4826 * jnp.nanmedian(jnp.abs(away), axis=0, keepdims=True)
        limit = self.limit.astype(x.dtype)
        return state, jnp.clip(away / jnp.maximum(spread, self.floor.astype(x.dtype)), -limit, limit)
