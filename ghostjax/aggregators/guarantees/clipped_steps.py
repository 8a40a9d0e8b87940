"""The guarantee of steps of bounded length from a centre that no message of the round moves."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import shares
from ghostjax.aggregators.guarantees._base import AbstractGuarantee, Kind


class ClippedSteps(AbstractGuarantee):
    """Of centered clipping: `steps` times the weighted mean of differences clipped to length `tau`."""

    tau: Any
    steps: int = eqx.field(static=True)
    kind: ClassVar[Kind] = "unconditional"

    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.zeros((), w.dtype)

    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return w.sum() / 2

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return w.sum()

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        return self.unconditional_bound(w, principal)

    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        # The step map has the Jacobian I - sum_j w_j J_j / W in the centre, with 0 <= J_j <= I, so it never expands a
        # difference of centres, and each step adds at most 2 tau times the principal's share.
        share = jnp.where(principal, shares(w), 0).sum()
        return 2 * jnp.asarray(self.tau).astype(w.dtype) * share * self.steps

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        # The centre may be longer than every message.
        return jnp.asarray(jnp.inf, w.dtype)

    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        # In a message the step map has the Jacobian w_j J_j / W; differences of centres are not expanded.
        return self.steps * shares(w)
