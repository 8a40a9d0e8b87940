"""A channel: messages are lost in bursts."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

import ghostjax as gj
from ghostjax.channels import AbstractChannel, Carried


class Bursts(AbstractChannel):
    """A sender's line breaks with probability `fail` a round, and is repaired with probability `repair`.

    **Traced:** both. **State:** whose line is broken, `[n]`; that of an absent sender stays as it is.
    """

    fail: Float[Array, ""] = gj.ops.real_field(default=0.1, low=0, high=1)
    repair: Float[Array, ""] = gj.ops.real_field(default=0.5, low=0, high=1)

    def init(self, like: Any) -> Bool[Array, " n"]:
        return jnp.zeros(like.shape[0], bool)

    def carry(
        self,
        state: Bool[Array, " n"],
        x: Float[Array, "n d"],
        w: Float[Array, " n"],
        nbr: Int[Array, "n k"] | None,
        key,
    ) -> tuple[Bool[Array, " n"], Carried]:
        draw = jax.random.uniform(key, w.shape, w.dtype)
        after = jnp.where(state, draw >= self.repair.astype(w.dtype), draw < self.fail.astype(w.dtype))
        broken = jnp.where(w > 0, after, state)
        if nbr is None:
            return broken, Carried(x, jnp.where(broken, 0, w))
        # In gossip a node whose messages are lost still receives, and has its own model (slot 0).
        return broken, Carried(x, w, jnp.where(broken[nbr], 0, 1).astype(w.dtype))
