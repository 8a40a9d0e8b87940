"""Products of centred rows with one another."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


TILE = 2**20
"""Numbers in a tile on CPU. The centred copy of more than one is fresh memory at every call, whose pages cost more than
the product: tiles are centred in cache."""


def centred_gram(x: Float[Array, "n d"], centre: Float[Array, " d"]) -> Float[Array, "n n"]:
    """`(x - c) (x - c)^T` at the highest precision; derivatives in reverse mode only where d is above `TILE / n`."""
    return _product(x, centre) if x.size <= TILE else _large(x, centre)


@jax.custom_vjp
def _large(x: Array, centre: Array) -> Array:
    return lax.platform_dependent(x, centre, cpu=_in_tiles, default=_product)


def _forward(x: Array, centre: Array) -> tuple[Array, tuple[Array, Array]]:
    return _large(x, centre), (x, centre)


def _backward(saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, centre = saved
    both = cotangent + cotangent.T
    n, d = x.shape
    tile = TILE // n

    def fill(i: Array, dx: Array) -> Array:
        # The last tile overlaps the one before; its columns are computed twice, alike.
        start = jnp.minimum(i * tile, d - tile)
        return lax.dynamic_update_slice(dx, _matmul(both, _centred(x, centre, start, tile)), (0, start))

    dx = lax.fori_loop(0, -(-d // tile), fill, jnp.zeros_like(x))
    return dx, -dx.sum(0)


_large.defvjp(_forward, _backward)


def _in_tiles(x: Array, centre: Array) -> Array:
    n, d = x.shape
    tile = TILE // n

    def part(start: Array | int, size: int) -> Array:
        return _own(_centred(x, centre, start, size))

    rest = part(d - d % tile, d % tile) if d % tile else jnp.zeros((n, n), x.dtype)
    return lax.fori_loop(0, d // tile, lambda i, total: total + part(i * tile, tile), rest)


def _product(x: Array, centre: Array) -> Array:
    return _own(x - centre[None, :])


def _centred(x: Array, centre: Array, start: Array | int, size: int) -> Array:
    return lax.dynamic_slice_in_dim(x, start, size, 1) - lax.dynamic_slice_in_dim(centre, start, size)[None, :]


def _own(rows: Array) -> Array:
    return _matmul(rows, rows.T)


def _matmul(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
