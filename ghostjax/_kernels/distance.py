"""Squared distances between rows from one centred Gram product."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels.moments import weighted_mean


def squared_distances(x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, "n n"]:
    """`D_ij = ||x_i - x_j||^2` with an exactly zero diagonal.

    Rows are centred at the weighted mean first: `G_ii + G_jj - 2 G_ij` loses all digits when rows share a
    large offset (relative error .25 at offset 1000 in float32, 2e-7 centred). Matmul precision is the
    highest, since the reduced-precision modes of accelerators would lose them again. Squares that overflow count as
    1e-8 of the largest number: sums of them, and their products with a weight of 0, stay finite.
    """
    centred = x - jax.lax.stop_gradient(weighted_mean(x, w))[None, :]
    gram = jnp.matmul(centred, centred.T, precision=jax.lax.Precision.HIGHEST)
    norms = jnp.diagonal(gram)
    distances = jnp.maximum(norms[:, None] + norms[None, :] - 2 * gram, 0)
    largest = 1e-8 * jnp.finfo(x.dtype).max
    distances = jnp.where(distances < largest, distances, largest)
    return jnp.where(jnp.eye(x.shape[0], dtype=bool), 0, distances)
