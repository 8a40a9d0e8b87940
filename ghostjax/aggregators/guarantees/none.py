"""No guarantee."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax.aggregators.guarantees._base import AbstractGuarantee
from ghostjax.aggregators.guarantees.mass import Mass


class NoGuarantee(AbstractGuarantee):
    """Of a rule that promises nothing under attack: one line, `guarantee = NoGuarantee()`.

    `assumed` is the Byzantine mass that the rule nevertheless assumes, by default any minority. The result code of a
    run with more is `outnumbered`. `in_convex_hull` says that the result is a convex combination of the messages.
    """

    assumed: Mass = Mass(minority=True)
    in_convex_hull: bool = eqx.field(static=True, default=False, kw_only=True)

    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.assumed(w.sum())

    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.assumed.tolerated(w.sum())

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.assumed.margin(w.sum())

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, x.dtype)

    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(1 if self.in_convex_hull else jnp.inf, w.dtype)

    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        return jnp.full_like(w, jnp.inf)
