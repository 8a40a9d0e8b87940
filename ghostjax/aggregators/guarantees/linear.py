"""The guarantee of the weighted mean."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import shares
from ghostjax.aggregators.guarantees._base import AbstractGuarantee


class Linear(AbstractGuarantee):
    """Of the weighted mean: it tolerates no Byzantine mass, and a message moves it by its share of the move."""

    in_convex_hull: ClassVar[bool] = True

    def byzantine_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.zeros((), w.dtype)

    def tolerated_mass(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.zeros((), w.dtype)

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return w.sum()

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, x.dtype)

    def unconditional_bound(self, w: Float[Array, " n"], principal: Bool[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.ones((), w.dtype)

    def lipschitz(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        return shares(w)
