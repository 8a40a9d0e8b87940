"""The common part of the guarantees of wrappers that average messages."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax.aggregators.guarantees._base import AbstractGuarantee, Kind
from ghostjax.aggregators.guarantees.robust import robust_bound


class AbstractAveraged(AbstractGuarantee):
    """Of a rule with the guarantee `inner` that sees means of messages.

    The influence bound is the smaller of two: the rule's unconditional bound, and the bound that follows from kappa.
    """

    inner: eqx.AbstractVar[AbstractGuarantee]

    @property
    def kind(self) -> Kind:
        """That of the rule: kappa comes from the rule's."""
        return self.inner.kind

    @property
    def in_convex_hull(self) -> bool:
        """Whether the rule's result is in the hull of its input. Means are in the hull of the messages."""
        return self.inner.in_convex_hull

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        """The smaller of both bounds."""
        anyway = self.unconditional_bound(w, principal)
        if self.kind != "conditional":
            return anyway
        return jnp.minimum(anyway, robust_bound(self.kappa(w), x, w, principal, self.byzantine_mass(w)))

    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """None: a small change may change which messages are averaged."""
        return jnp.full_like(w, jnp.inf)
