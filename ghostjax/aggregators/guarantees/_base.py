"""What a guarantee says: which mass it bears, how well it estimates, how far anybody moves the result.

A rule has one, `rule.guarantee`, made from its knobs. The weights `w` are those that the rule sees; they count
identities.
"""

from abc import abstractmethod
from typing import ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax.aggregators.guarantees.mass import Mass


Kind = Literal["unconditional", "conditional", "none"]


class AbstractGuarantee(eqx.Module):
    """What a rule promises about its result, whatever Byzantine identities send.

    An honest answer to a question that nobody has proved anything about is infinity. All bounds are about a rule in one
    state: two results differ by what was sent, not by what was remembered.
    """

    kind: ClassVar[Kind] = "none"
    """Whether `influence_bound` holds whatever anybody sends, given the other rows, or never. Where it is unconditional
    it reads no messages."""
    in_convex_hull: ClassVar[bool] = False
    """Whether the result lies in the convex hull of the messages present."""

    @abstractmethod
    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """F, the Byzantine mass that `kappa` speaks about."""

    @abstractmethod
    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The Byzantine mass that the rule is set to bear; with more, a run ends as outnumbered."""

    @abstractmethod
    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """Mass present beyond what the guarantee needs; where it is not positive the guarantee is void."""

    @abstractmethod
    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The robustness coefficient: `||y - mean_S||^2 <= kappa * mean_S ||x_i - mean_S||^2` for every set S of mass
        `W - F`; inf if there is none."""

    @abstractmethod
    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        """How far the identities of `principal` move the result by any messages, the other rows as in `x`."""

    @abstractmethod
    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        """How far the identities of `principal` move the result, whatever the others send; inf where that has no bound.

        With everybody in `principal` it says how far apart any two results are. It grows with the principal's share of
        the weights and falls with their sum: a wrapper that does not know the weights asks at the worst ones.
        """

    @abstractmethod
    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The number g with `||y|| <= g max_i ||x_i||`; 1 for a result in the convex hull, inf where nothing is known.

        It falls with the sum of the weights.
        """

    @abstractmethod
    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """The numbers s with `||y - y'|| <= sum_i s_i ||x_i - x'_i||` for any messages; inf where there are none."""


class AbstractConditional(AbstractGuarantee):
    """A guarantee about an assumed Byzantine mass, of which nothing is left once all rows are the adversary's."""

    assumed: eqx.AbstractVar[Mass]
    kind: ClassVar[Kind] = "conditional"

    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The mass assumed."""
        return self.assumed(w.sum())

    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The mass assumed, or any minority where none is."""
        return self.assumed.tolerated(w.sum())

    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        """None: equal rows give that row, wherever it is."""
        return jnp.where(jnp.where(principal, w, 0).sum() > 0, jnp.asarray(jnp.inf, w.dtype), 0)

    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """None: small changes may select other rows."""
        return jnp.full_like(w, jnp.inf)
