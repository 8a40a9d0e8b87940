"""The guarantee of a rule behind adaptive clipping."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import row_norms
from ghostjax.aggregators._limit import adaptive_limit
from ghostjax.aggregators.guarantees._base import AbstractGuarantee, Kind
from ghostjax.aggregators.guarantees._short_messages import short_message_bound
from ghostjax.aggregators.guarantees.mass import Mass
from ghostjax.aggregators.guarantees.robust import robust_bound


class AdaptivelyClipped(AbstractGuarantee):
    """Of a rule with the guarantee `inner` that sees the longest messages clipped to the norm of the others.

    The influence bound is the smallest of three: the rule's unconditional bound with everybody as the principal, the
    bound that follows from kappa, and the bound for messages of the norm that is left (`short_message_bound`).
    """

    inner: AbstractGuarantee
    assumed: Mass

    @property
    def kind(self) -> Kind:
        """Conditional on the norms of the others, if the rule has a bound for short messages."""
        return "none" if self.inner.kind == "none" and not self.inner.in_convex_hull else "conditional"

    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.assumed(w.sum())

    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """F if one is assumed, otherwise the inner rule's."""
        mass = self.assumed(w.sum())
        return jnp.where(mass > 0, mass, self.inner.tolerated_mass(w))

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.minimum(self.assumed.margin(w.sum()), self.inner.margin(w))

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        mass = self.assumed(w.sum())
        free = w.sum() - 2 * mass
        proved = (free > 0) & (mass <= self.inner.byzantine_mass(w))
        return jnp.where(proved, self.inner.kappa(w) + 2 * mass / jnp.where(free > 0, free, 1), jnp.inf)

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # The limit grows with every norm. It is smallest if the principal sends zeros. It is largest if the principal
        # sends the longest messages, which then are part of the clipped mass.
        norms, mass = row_norms(x), self.assumed(w.sum())
        others, principal_mass = jnp.where(principal, 0, w), jnp.where(principal, w, 0).sum()
        low = adaptive_limit(jnp.where(principal, 0, norms), w, w, mass)
        high = adaptive_limit(norms, others, w, mass, principal_mass)
        lengths = jnp.minimum(norms, low), jnp.minimum(norms, high)
        short = short_message_bound(self.inner, high, *lengths, w, principal)
        anyway = jnp.minimum(short, self.unconditional_bound(w, principal))
        return jnp.minimum(anyway, robust_bound(self.kappa(w), x, w, principal, mass))

    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        # The principal may change the limit, and with it every message.
        present = jnp.where(principal, w, 0).sum() > 0
        return jnp.where(present, self.inner.unconditional_bound(w, jnp.ones_like(principal)), 0)

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.inner.norm_gain(w)

    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        return jnp.full_like(w, jnp.inf)
