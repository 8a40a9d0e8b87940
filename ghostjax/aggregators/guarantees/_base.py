"""The base class of guarantees: tolerated Byzantine mass, robustness coefficient and bounds on influence.

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
    """The promise of a rule about its result, for all messages of Byzantine identities.

    Where nothing is proved, the answer is infinity. All bounds compare two results of a rule in the same state: they
    differ by the messages alone, not by the rule's memory.
    """

    kind: ClassVar[Kind] = "none"
    """Whether `influence_bound` holds for all messages ("unconditional"; it then reads no messages), given the other
    rows ("conditional"), or never ("none")."""
    in_convex_hull: ClassVar[bool] = False
    """Whether the result lies in the convex hull of the messages present."""

    @abstractmethod
    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """F, the Byzantine mass for which `kappa` holds."""

    @abstractmethod
    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The Byzantine mass that the rule assumes. With more, the result code of a run is `outnumbered`."""

    @abstractmethod
    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The mass present beyond the need of the guarantee. If it is not positive, the guarantee is void."""

    @abstractmethod
    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The robustness coefficient: `||y - mean_S||^2 <= kappa * mean_S ||x_i - mean_S||^2` for every set S of mass
        `W - F`; inf if there is none."""

    @abstractmethod
    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        """A bound on how far any messages of `principal` move the result, with the other rows as in `x`."""

    @abstractmethod
    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        """A bound on how far `principal` moves the result, for all messages of the others; inf if there is none.

        With everybody in `principal` it bounds the distance of any two results. It grows with the principal's share of
        the weights and falls with their sum. A wrapper that does not know the weights uses the worst ones.
        """

    @abstractmethod
    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The number g with `||y|| <= g max_i ||x_i||`: 1 for a result in the convex hull, inf if none is known.

        It falls with the sum of the weights.
        """

    @abstractmethod
    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """The numbers s with `||y - y'|| <= sum_i s_i ||x_i - x'_i||` for any messages; inf where there are none."""


class AbstractConditional(AbstractGuarantee):
    """A guarantee for an assumed Byzantine mass. It is void if all rows are the adversary's."""

    assumed: eqx.AbstractVar[Mass]
    kind: ClassVar[Kind] = "conditional"

    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The mass assumed."""
        return self.assumed(w.sum())

    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The mass assumed, or any minority if none is assumed."""
        return self.assumed.tolerated(w.sum())

    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        """None: if all rows are equal, the result is that row, and it can be anywhere."""
        return jnp.where(jnp.where(principal, w, 0).sum() > 0, jnp.asarray(jnp.inf, w.dtype), 0)

    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """None: small changes may select other rows."""
        return jnp.full_like(w, jnp.inf)
