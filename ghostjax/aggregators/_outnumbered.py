"""Whether there is more Byzantine mass than a rule assumes."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax.aggregators._base import AbstractAggregator


def outnumbered(rule: AbstractAggregator, w: Float[Array, " n"], byzantine: Bool[Array, " n"]) -> Bool[Array, ""]:
    """Whether a receiver gets more Byzantine mass than its rule assumes, or at least half of the mass."""
    mass, total = jnp.where(byzantine, w, 0).sum(), w.sum()
    rounding = 4 * max(1, w.shape[0] / 64) * jnp.finfo(w.dtype).eps * total
    return (mass > 0) & ((mass > rule.guarantee.tolerated_mass(w) + rounding) | (2 * mass >= total - rounding))
