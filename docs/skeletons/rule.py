"""A rule: each message weighted by the inverse of its mean squared distance to all of them."""

import jax.numpy as jnp
from jaxtyping import Array, Float

import ghostjax as gj
from ghostjax.aggregators import AbstractGeometricRule


class Central(AbstractGeometricRule):
    """The mean of the messages, each weighted by the inverse of its mean squared distance to all of them.

        y = sum_i a_i x_i / sum_i a_i,    a_i = w_i / (floor^2 + sum_j w_j |x_i - x_j|^2 / W)

    **Guarantee:** none is claimed; `floor` is a length, so that scaled messages give another mix. **Traced:** `floor`.
    """

    exempt_laws = frozenset({"scale"})
    floor: Float[Array, ""] = gj.ops.real_field(default=0.1, low=0, unit="length")

    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        assert dist2 is not None
        spread = gj.ops.safe_divide(dist2 @ w, w.sum()) + jnp.square(self.floor.astype(w.dtype))
        a = gj.ops.safe_divide(w, spread)
        # If all messages are equal, their coefficients are their weights.
        a = jnp.where(a.sum() > 0, a, w)
        return gj.ops.safe_divide(a, a.sum())
