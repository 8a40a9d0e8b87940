"""An identity layer: newcomers count little at first."""

import jax.numpy as jnp
from jaxtyping import Array, Float

import ghostjax as gj
from ghostjax.identity import AbstractIdentity


class Seniority(AbstractIdentity):
    """Identity i counts for a share that grows with the rounds in which it was present, on average 1 over everybody.

        w_i <- w_i s_i / mean_j s_j,    s_i = 1 - pace / (1 + pace + presence_i)

    **Traced:** `pace`. **State:** how much each was present, `[n]`.
    """

    pace: Float[Array, ""] = gj.ops.real_field(default=4.0, low=0)

    def init(self, num_nodes: int) -> Float[Array, " n"]:
        return jnp.zeros(num_nodes)

    def weigh(self, state: Float[Array, " n"], w: Float[Array, " n"]) -> Float[Array, " n"]:
        pace = self.pace.astype(w.dtype)
        senior = 1 - pace / (1 + pace + state.astype(w.dtype))
        return w * (senior / senior.mean())

    def remember(self, state: Float[Array, " n"], seen: gj.Seen) -> Float[Array, " n"]:
        return state + (seen.weights > 0).astype(state.dtype)
