"""Squared distances between rows from one centred Gram product."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels.gram import centred_gram, Scale
from ghostjax._kernels.moments import weighted_mean
from ghostjax._kernels.nearest import nearest_radius
from ghostjax._kernels.span import balanced, near_one, ORDINARY, power_near


RECENTRED = 4
"""Largest number of centres tried after the mean."""


def squared_distances(x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, "n n"]:
    """`D_ij = ||x_i - x_j||^2` with an exactly zero diagonal. `unit_distances` covers the whole float range."""
    distances, scale = unit_distances(x, w)
    return _within(distances / scale / scale)


def unit_distances(x: Float[Array, "n d"], w: Float[Array, " n"]) -> tuple[Float[Array, "n n"], Float[Array, ""]]:
    """`D_ij = ||s (x_i - x_j)||^2` with an exactly zero diagonal, and s.

    Rows are centred at the weighted mean first: `G_ii + G_jj - 2 G_ij` loses all digits when rows share a
    large offset (relative error .25 at offset 1000 in float32, 2e-7 centred). Matmul precision is the
    highest, since the reduced-precision modes of accelerators would lose them again. Squares that overflow count as
    1e-8 of the largest number: sums of them, and their products with a weight of 0, stay finite.

    A far message moves the mean, and all distances lose digits. The middle row is the one whose nearest half of the
    mass is nearest. If rounding hides the distances around it, the product is formed again, centred at the middle row.

    s is 1 unless squares leave the float range. There the spread of half of the mass decides: outside of 1e-15 .. 1e15,
    s is the power of two that brings it near 1.
    """
    w = balanced(w)
    mean = jax.lax.stop_gradient(weighted_mean(x, w))
    norms, distances = _around(x, mean)
    fixed = jax.lax.stop_gradient(norms)
    blind, _ = _unresolved(fixed, jax.lax.stop_gradient(distances), w)
    info = jnp.finfo(x.dtype)
    top = jnp.where(w > 0, fixed, 0).max(initial=0)
    ordinary = (top >= x.shape[1] * (float(info.tiny) / float(info.eps))) & (top < _largest(x.dtype))

    def again() -> tuple[Array, Array]:
        centre, scale = _middle_centre(x, w, mean)
        return _around(x, centre, scale)[1], scale

    return jax.lax.cond(blind | ~ordinary, again, lambda: (distances, jnp.ones((), x.dtype)))


def _largest(dtype: jnp.dtype) -> float:
    return 1e-8 * float(jnp.finfo(dtype).max)


def _within(distances: Array) -> Array:
    largest = _largest(distances.dtype)
    return jnp.where(distances < largest, distances, largest)


def _around(x: Array, centre: Array, scale: Scale = None) -> tuple[Array, Array]:
    gram = centred_gram(x, centre, scale)
    norms = jnp.diagonal(gram)
    distances = _within(jnp.maximum(norms[:, None] + norms[None, :] - 2 * gram, 0))
    return norms, jnp.where(jnp.eye(x.shape[0], dtype=bool), 0, distances)


def _unresolved(norms: Array, distances: Array, w: Array) -> tuple[Array, Array]:
    """Whether rounding hides the distances around the middle row (`unit_distances`), and its index."""
    radius = nearest_radius(distances, w, w.sum() / 2)
    row = jnp.argmin(jnp.where(w > 0, radius, jnp.inf))
    return jnp.finfo(norms.dtype).eps * norms[row] > 1e-4 * radius[row], row


def _middle_centre(x: Array, w: Array, mean: Array) -> tuple[Array, Array]:
    """The middle row, found from centre to centre until rounding hides no distance around it, and s."""
    x, w = jax.lax.stop_gradient(x), jax.lax.stop_gradient(w)

    def middle(centre: Array) -> Array:
        """The size of the middle row: the largest of its coordinates."""
        rows, factor = near_one(x, centre)
        size = jnp.minimum(jnp.abs(rows).max(1, initial=0) / factor, jnp.finfo(x.dtype).max)
        order = jnp.argsort(jnp.where(w > 0, size, jnp.inf))
        return size[order[jnp.argmax(jnp.cumsum(w[order]) >= w.sum() / 2)]]

    def look(centre: Array) -> tuple[Array, Array]:
        # In units of the middle row, the squares of half of the mass neither overflow nor vanish.
        return _unresolved(*_around(x, centre, power_near(middle(centre))), w)

    def unfinished(carry: tuple[Array, Array, Array, Array]) -> Array:
        step, _, blind, _ = carry
        return blind & (step < RECENTRED)

    def advance(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        step, _, _, row = carry
        return step + 1, x[row], *look(x[row])

    blind, row = look(mean)
    start = (jnp.zeros((), jnp.int32), mean, blind, row)
    centre = jax.lax.while_loop(unfinished, advance, start)[1]
    return centre, power_near(middle(centre), ORDINARY)
