"""Products of centred rows with one another."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


TILE = 2**20
"""Numbers in a tile on CPU. Tiles are centred in cache. A centred copy of all rows would be new memory at every call,
and its page faults cost more than the product."""


Scale = Float[Array, ""] | None


def centred_gram(x: Float[Array, "n d"], centre: Float[Array, " d"], scale: Scale = None) -> Float[Array, "n n"]:
    """`(x - c) (x - c)^T` at the highest precision; derivatives in reverse mode only where d is above `TILE / n`.

    With a `scale`, a power of two, that of differences times `scale`.
    """
    return _product(x, centre, scale) if x.size <= TILE else _large(x, centre, scale)


@jax.custom_vjp
def _large(x: Array, centre: Array, scale: Scale = None) -> Array:
    return lax.platform_dependent(x, centre, scale, cpu=_in_tiles, default=_product)


def _forward(x: Array, centre: Array, scale: Scale) -> tuple[Array, tuple[Array, Array, Scale]]:
    return _large(x, centre, scale), (x, centre, scale)


def _backward(saved: tuple[Array, Array, Scale], cotangent: Array) -> tuple[Array, Array, Scale]:
    x, centre, scale = saved
    both = cotangent + cotangent.T
    if scale is not None:
        both = both * scale
    n, d = x.shape
    tile = TILE // n

    def fill(i: Array, dx: Array) -> Array:
        # The last tile overlaps the one before. The shared columns are computed twice, with equal bits.
        start = jnp.minimum(i * tile, d - tile)
        return lax.dynamic_update_slice(dx, _matmul(both, _centred(x, centre, start, tile, scale)), (0, start))

    dx = lax.fori_loop(0, -(-d // tile), fill, jnp.zeros_like(x))
    return dx, -dx.sum(0), None if scale is None else jnp.zeros_like(scale)


_large.defvjp(_forward, _backward)


def _in_tiles(x: Array, centre: Array, scale: Scale) -> Array:
    n, d = x.shape
    tile = TILE // n

    def part(start: Array | int, size: int) -> Array:
        return _gram(_centred(x, centre, start, size, scale))

    rest = part(d - d % tile, d % tile) if d % tile else jnp.zeros((n, n), x.dtype)
    return lax.fori_loop(0, d // tile, lambda i, total: total + part(i * tile, tile), rest)


def _product(x: Array, centre: Array, scale: Scale = None) -> Array:
    return _gram(_difference(x, centre, scale))


def _centred(x: Array, centre: Array, start: Array | int, size: int, scale: Scale) -> Array:
    part = lax.dynamic_slice_in_dim(x, start, size, 1), lax.dynamic_slice_in_dim(centre, start, size)
    return _difference(*part, scale)


def _difference(x: Array, centre: Array, scale: Scale) -> Array:
    if scale is None:
        return x - centre[None, :]
    # Numbers are made smaller before they are subtracted, and differences larger afterwards.
    less, more = jnp.minimum(scale, 1), jnp.maximum(scale, 1)
    return (less * x - less * centre[None, :]) * more


def _gram(rows: Array) -> Array:
    return _matmul(rows, rows.T)


def _matmul(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
