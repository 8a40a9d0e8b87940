"""The guarantee of a rule behind random buckets."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax.aggregators.guarantees._averaged import AbstractAveraged
from ghostjax.aggregators.guarantees._base import AbstractGuarantee


class Buckets(AbstractAveraged):
    """Of a rule with the guarantee `inner` that sees the means of buckets of `size` identities.

    Buckets are drawn and do not depend on messages, so k identities change at most k buckets. The influence bound is
    the smaller of two: the rule's unconditional bound for k rows, and the bound that follows from kappa.
    """

    inner: AbstractGuarantee
    size: int = eqx.field(static=True)

    def weights(self, w: Float[Array, " n"]) -> Float[Array, " m"]:
        """The weights of the buckets, if all present identities have equal weight."""
        count = (w > 0).sum()
        filled = jnp.arange(-(-w.shape[0] // self.size)) * self.size < count
        return jnp.where(filled, w.sum() / jnp.maximum(count, 1).astype(w.dtype), 0)

    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.inner.byzantine_mass(self.weights(w))

    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.inner.tolerated_mass(self.weights(w))

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.minimum(w.sum(), self.inner.margin(self.weights(w)))

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        # Around the mean of S, the squared distances of at least B - F clean buckets add up to at most those of their
        # members over r, so that E = their average <= (N - F) sigma^2 / ((B - F) r). The clean buckets' own mean and
        # the result's distance from it have squares t^2 and at most kappa (E - t^2), and
        # (t + sqrt(kappa (E - t^2)))^2 <= (kappa + 1) E.
        seen, count = self.weights(w), (w > 0).sum()
        mass, kappa = self.inner.byzantine_mass(seen), self.inner.kappa(seen)
        last = count - ((count + self.size - 1) // self.size - 1) * self.size
        clean = seen.sum() - mass
        equal = ((w == 0) | (w == w.max())).all()
        proved = equal & (clean > 0) & jnp.isfinite(kappa)
        members = jnp.where(proved, clean, 1) * jnp.maximum(last, 1).astype(w.dtype)
        return jnp.where(proved, (kappa + 1) * (w.sum() - mass) / members, jnp.inf)

    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        # The weight of a bucket is the mean over its members: at most the largest weight for the principal's buckets,
        # and at least the smallest for the others. This gives the largest share of the principal's buckets. The
        # smallest sum of weights is that of buckets of the lightest identities.
        touched = jnp.arange(-(-w.shape[0] // self.size)) < (principal & (w > 0)).sum()
        lightest = self._lightest(w)
        worst = jnp.where(touched & (lightest > 0), w.max(), lightest)
        scale = lightest.sum() / jnp.where(worst.sum() > 0, worst.sum(), 1)
        return jnp.where(touched.any(), self.inner.unconditional_bound(worst * scale, touched), 0)

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        # A mean is at most as long as the longest message.
        return self.inner.norm_gain(self._lightest(w))

    def _lightest(self, w: Float[Array, " n"]) -> Float[Array, " m"]:
        """The weights if every bucket had the weight of the lightest identity."""
        least = jnp.where(w > 0, w, jnp.inf).min()
        return jnp.where(self.weights(w) > 0, least, 0)
