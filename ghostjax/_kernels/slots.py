"""The window mean of every receiver of a graph, across its neighbour slots."""

import jax
from jaxtyping import Array, Float, Int

from ghostjax._kernels.window import window_mean


def window_mean_slots(
    x: Float[Array, "m d"], nbr: Int[Array, "n k"], w: Float[Array, "n k"], trim: Float[Array, " n"]
) -> Float[Array, "n d"]:
    """`window_mean(x[nbr[i]], w[i], trim[i])` for each receiver i; a slot of weight 0 is padding or a lost edge."""
    return jax.vmap(lambda slots, weights, mass: window_mean(x[slots], weights, mass))(nbr, w, trim)
