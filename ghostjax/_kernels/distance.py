"""Squared distances between rows from one centred Gram product."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels.gram import centred_gram
from ghostjax._kernels.moments import weighted_mean
from ghostjax._kernels.nearest import nearest_radius


RECENTRED = 4
"""Largest number of centres tried after the mean."""


def squared_distances(x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, "n n"]:
    """`D_ij = ||x_i - x_j||^2` with an exactly zero diagonal.

    Rows are centred at the weighted mean first: `G_ii + G_jj - 2 G_ij` loses all digits when rows share a
    large offset (relative error .25 at offset 1000 in float32, 2e-7 centred). Matmul precision is the
    highest, since the reduced-precision modes of accelerators would lose them again. Squares that overflow count as
    1e-8 of the largest number: sums of them, and their products with a weight of 0, stay finite.

    A far message drags the mean along, and with it the digits of everybody. Where the row with the nearest
    half of the mass is too far from the centre to tell its neighbours apart, the product is formed again around it.
    """
    mean = jax.lax.stop_gradient(weighted_mean(x, w))
    norms, distances = _around(x, mean)
    blind, _ = _blind(jax.lax.stop_gradient(norms), jax.lax.stop_gradient(distances), w)
    return jax.lax.cond(blind, lambda: _around(x, _trusted(x, w, mean))[1], lambda: distances)


def _around(x: Array, centre: Array) -> tuple[Array, Array]:
    gram = centred_gram(x, centre)
    norms = jnp.diagonal(gram)
    distances = jnp.maximum(norms[:, None] + norms[None, :] - 2 * gram, 0)
    largest = 1e-8 * jnp.finfo(x.dtype).max
    distances = jnp.where(distances < largest, distances, largest)
    return norms, jnp.where(jnp.eye(x.shape[0], dtype=bool), 0, distances)


def _blind(norms: Array, distances: Array, w: Array) -> tuple[Array, Array]:
    """Whether rounding hides the distances of the row with the nearest half of the mass, and which row that is."""
    radius = nearest_radius(distances, w, w.sum() / 2)
    row = jnp.argmin(jnp.where(w > 0, radius, jnp.inf))
    return jnp.finfo(norms.dtype).eps * norms[row] > 1e-4 * radius[row], row


def _trusted(x: Array, w: Array, mean: Array) -> Array:
    """A row with half of the mass around it, found from centre to centre until rounding hides nothing."""
    x, w = jax.lax.stop_gradient(x), jax.lax.stop_gradient(w)

    def look(centre: Array) -> tuple[Array, Array]:
        # In units of the middle row, the squares of half of the mass neither overflow nor vanish.
        size = jnp.abs(x - centre[None, :]).max(1)
        order = jnp.argsort(size)
        unit = size[order[jnp.argmax(jnp.cumsum(w[order]) >= w.sum() / 2)]]
        unit = jnp.where(unit > 0, unit, 1)
        return _blind(*_around(x / unit, centre / unit), w)

    def unfinished(carry: tuple[Array, Array, Array, Array]) -> Array:
        step, _, blind, _ = carry
        return blind & (step < RECENTRED)

    def advance(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        step, _, _, row = carry
        return step + 1, x[row], *look(x[row])

    blind, row = look(mean)
    start = (jnp.zeros((), jnp.int32), mean, blind, row)
    return jax.lax.while_loop(unfinished, advance, start)[1]
