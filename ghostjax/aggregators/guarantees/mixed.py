"""The guarantee of a rule behind nearest-neighbour mixing."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax.aggregators.guarantees._averaged import AbstractAveraged
from ghostjax.aggregators.guarantees._base import AbstractGuarantee
from ghostjax.aggregators.guarantees.mass import Mass


class Mixed(AbstractAveraged):
    """Of a rule with the guarantee `inner` that sees means of the mass `W - F` nearest to each message.

    One message may change every mean. So the influence bound is the smaller of two: the rule's unconditional bound with
    everybody as the principal, and the bound that follows from kappa.
    """

    inner: AbstractGuarantee
    assumed: Mass

    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.assumed(w.sum())

    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.assumed.tolerated(w.sum())

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.minimum(self.assumed.margin(w.sum()), self.inner.margin(w))

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        mass, total, kappa = self.assumed(w.sum()), w.sum(), self.inner.kappa(w)
        proved = (total > 2 * mass) & (mass <= self.inner.byzantine_mass(w)) & jnp.isfinite(kappa)
        left = jnp.where(proved, total - mass, 1)
        return jnp.where(proved, 8 * mass / left * (kappa + 1), jnp.inf)

    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        present = jnp.where(principal, w, 0).sum() > 0
        return jnp.where(present, self.inner.unconditional_bound(w, jnp.ones_like(principal)), 0)

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.inner.norm_gain(w)
