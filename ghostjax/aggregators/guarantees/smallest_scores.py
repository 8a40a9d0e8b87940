"""The guarantee of rules that average the rows of smallest Krum score."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import nearest_score, unit_distances
from ghostjax.aggregators._scores import neighbourhood, Neighbours, SLACK
from ghostjax.aggregators.guarantees._base import AbstractConditional
from ghostjax.aggregators.guarantees._constants import krum_kappa
from ghostjax.aggregators.guarantees.mass import Mass


class SmallestScores(AbstractConditional):
    """Of Krum; or, with `m`, of the mean of the mass m of rows of smallest score (nan is `W - F`), without a kappa."""

    assumed: Mass
    neighbours: Neighbours = eqx.field(static=True)
    m: Any = None
    in_convex_hull: ClassVar[bool] = True

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        free = self.assumed.margin(w.sum()) - (0 if self.neighbours == "n-f-1" else 2)
        return free if self.m is None else jnp.minimum(free, self.kept(w))

    def kept(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The mass averaged by multi-Krum."""
        m = jnp.asarray(self.m).astype(w.dtype)
        return jnp.where(jnp.isnan(m), w.sum() - self.assumed(w.sum()), m)

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        total = w.sum()
        proved = self.m is None and self.neighbours == "n-f-1"
        return krum_kappa(self.assumed(total), total) if proved else jnp.asarray(jnp.inf, w.dtype)

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # If the principal's mass m is at most F, the others alone fill any row's neighbourhood of mass K = W - F. So
        # some of their scores are at most S, for all messages of the principal. If a row of the principal is selected,
        # its score is at most S, and mass K - m of its neighbourhood are others: one of them is within
        # sqrt(S / (K - m)). Both results are that near to the hull of the others: `diameter + 2 sqrt(S / (K - m))`.
        others = jnp.where(principal, 0, w)
        mass, principal_mass = self.assumed(w.sum()), w.sum() - others.sum()
        dist2, scale = unit_distances(x, others)
        keep = neighbourhood(w, mass, self.neighbours)
        scores = nearest_score(dist2, others, keep)
        counted = others > 0
        # One selected row needs the others' smallest score. An averaged mass may need any of their scores.
        least, most = jnp.where(counted, scores, jnp.inf).min(), jnp.where(counted, scores, -jnp.inf).max()
        worst = least if self.m is None else most
        # A selected score may exceed the smallest one by the tolerance of ties.
        worst = worst * (1 + SLACK * jnp.finfo(worst.dtype).eps)
        both = counted[:, None] & counted[None, :]
        diameter = jnp.sqrt(jnp.where(both, dist2, 0).max())
        left = keep - principal_mass
        held = (principal_mass <= mass) & (left > 0) & (keep <= others.sum())
        if self.m is not None:
            held &= self.kept(w) <= others.sum()
        bound = diameter + 2 * jnp.sqrt(worst / jnp.where(left > 0, left, 1))
        return jnp.where(held, bound / scale, jnp.inf)

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.ones((), w.dtype)
