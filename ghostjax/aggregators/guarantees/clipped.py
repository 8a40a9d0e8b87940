"""The guarantee of a rule behind norm clipping."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import capped, measured
from ghostjax.aggregators.guarantees._base import AbstractGuarantee, Kind
from ghostjax.aggregators.guarantees._short_messages import short_message_bound


class Clipped(AbstractGuarantee):
    """Of a rule with the guarantee `inner` that sees no message longer than `c`.

    Clipping may move honest messages by more than their spread, so there is no kappa. Clipping never expands a
    difference, so a bound of `inner` for all messages holds for the clipped ones.
    """

    inner: AbstractGuarantee
    c: Any

    @property
    def kind(self) -> Kind:
        """The rule's kind; unconditional if the rule has none and its result is at most as long as its messages."""
        return "unconditional" if self.inner.kind == "none" and self.inner.in_convex_hull else self.inner.kind

    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.inner.byzantine_mass(w)

    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The rule's tolerated mass; if that is 0, any minority, since messages are bounded."""
        inner = self.inner.tolerated_mass(w)
        return jnp.where(inner > 0, inner, w.sum() / 2)

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.minimum(w.sum(), self.inner.margin(w))

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        anyway = self.unconditional_bound(w, principal)
        if self.inner.kind != "conditional":
            return anyway
        clipped = capped(x, measured(x), jnp.asarray(self.c).astype(x.dtype))
        return jnp.minimum(anyway, self.inner.influence_bound(clipped, w, principal))

    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        none = jnp.zeros_like(w)
        return short_message_bound(self.inner, jnp.asarray(self.c).astype(w.dtype), none, none, w, principal)

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.inner.norm_gain(w)

    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        return self.inner.lipschitz(w)
