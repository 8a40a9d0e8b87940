"""The guarantee of the point with the smallest sum of distances."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import unit_distances
from ghostjax.aggregators.guarantees._base import AbstractConditional
from ghostjax.aggregators.guarantees._constants import median_kappa
from ghostjax.aggregators.guarantees.mass import Mass


class SpatialMedian(AbstractConditional):
    """Of the geometric median, smoothed within radius `nu`. With None it is exact; only then there is a kappa."""

    assumed: Mass
    nu: Any = None
    in_convex_hull: ClassVar[bool] = True

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.assumed.margin(w.sum())

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        # With a radius of smoothing, the result may differ by that radius from messages that all agree.
        total = w.sum()
        return median_kappa(self.assumed(total), total) if self.nu is None else jnp.asarray(jnp.inf, w.dtype)

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # Both results satisfy each bound for every h: take the best of the other rows. The second bound: the cost of z
        # is at most that of h, so (1 - 2 a) ||z - h|| <= 2 (1 - a) mean ||x_i - h|| by the triangle inequality.
        # Smoothing acts as if the messages moved by at most nu, out of their space (sqrt) or within it (max).
        others = jnp.where(principal, 0, w)
        share = jnp.where(principal, w, 0).sum() / jnp.where(w.sum() > 0, w.sum(), 1)
        both = (others[:, None] > 0) & (others[None, :] > 0)
        dist2, scale = unit_distances(x, others)
        distances = jnp.sqrt(jnp.where(both, dist2, 0)) / scale
        nu = jnp.zeros((), x.dtype) if self.nu is None else jnp.asarray(self.nu).astype(x.dtype)
        radius = jnp.where(others > 0, distances.max(1), jnp.inf).min() + nu
        average = distances @ others / jnp.where(others.sum() > 0, others.sum(), 1)
        near = jnp.where(others > 0, average, jnp.inf).min() + nu
        safe = jnp.where(share < 0.5, 1 - 2 * share, 1)
        bound = jnp.minimum(radius / jnp.sqrt(safe), 2 * near / safe)
        return jnp.where(share <= 0, 0, jnp.where(share < 0.5, 2 * (1 - share) * bound, jnp.inf))

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.ones((), w.dtype)
