"""Powers of two that scale numbers so that squares and sums stay in the float range. Products with a power of two are
exact, so ordinary numbers keep their bits."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, PyTree


ORDINARY = 50
"""Numbers between 2^-50 and 2^50, 1e-15 and 1e15, are left as they are."""


def power_near(size: Float[Array, "..."], ordinary: int = 0) -> Float[Array, "..."]:
    """The power of two that brings `size >= 0` into [1, 2), and 1 where size is 0 or within `2^+-ordinary`.

    It and its inverse are normal numbers. A quotient by `size` itself would be wrong: XLA may replace it by a product
    with the inverse, and the inverse of the largest numbers is rounded to 0.
    """
    info = jnp.finfo(size.dtype)
    integer = {16: jnp.int16, 32: jnp.int32, 64: jnp.int64}[info.bits]
    bias = int(info.maxexp) - 1
    bits = lax.bitcast_convert_type(lax.stop_gradient(size), integer)
    exponent = jnp.clip((bits >> info.nmant) - bias, 1 - bias, bias - 1)
    left = (size < info.tiny) | (jnp.abs(exponent) <= ordinary)
    exponent = jnp.where(left, 0, exponent)
    return lax.bitcast_convert_type((bias - exponent) << info.nmant, size.dtype)


SPAN = 30
"""Weights are left as they are if the largest is between 2^-30 and 2^30. Beyond, sums and products leave the range of
floats, and one identity is below the rounding of the others, or above the sum of a billion of them."""


def mass_unit(w: Float[Array, "*m n"]) -> Float[Array, ""]:
    """The power of two by which weights are scaled so that no sum overflows. A knob in identities is scaled with it."""
    top = w.max(initial=0)
    factor = power_near(top, SPAN)
    return jnp.where(factor == 1, factor, factor * jnp.where(top > 1, 2.0**SPAN, 2.0**-SPAN).astype(w.dtype))


def near_one(
    x: Float[Array, "n d"], centre: Float[Array, " d"] | None
) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
    """Rows, less a centre, each times the power of two that brings its largest number into [1, 2); and these powers.

    Rows are scaled before the centre is subtracted, since a difference of the largest numbers overflows. A difference
    that cancels is 0 or a unit of rounding, and its square is far from the end of the range.
    """
    top = jnp.abs(x).max(1, initial=0)
    if centre is None:
        factor = power_near(top)
        return x * factor[:, None], factor
    factor = power_near(jnp.maximum(top, jnp.abs(centre).max(initial=0)))
    return x * factor[:, None] - centre[None, :] * factor[:, None], factor


def balanced(w: Float[Array, " n"]) -> Float[Array, " n"]:
    """Weights scaled so that the largest is in [1, 2): for results that depend on proportions only."""
    return w * power_near(w.max(initial=0))


def within(y: Float[Array, "..."]) -> Float[Array, "..."]:
    """`y`, clipped to the finite numbers: rounding may have exceeded the largest."""
    largest = jnp.finfo(y.dtype).max
    return jnp.clip(y, -largest, largest)


def when(needed: Bool[Array, ""], slow: Callable[[], PyTree], fast: PyTree) -> PyTree:
    """`slow()` if `needed`, else `fast`; no derivative.

    Mapped over a batch, `slow` runs only if one of the batch needs it. A mapped `cond` would always run it.
    """
    done = jnp.zeros_like(needed)
    return lax.while_loop(lambda carry: carry[0], lambda _: (done, slow()), (needed, fast))[1]


def retried(attempt: Callable[[Array], tuple[Array, ...]], rows: int, dtype: jnp.dtype) -> tuple[Array, ...]:
    """`attempt(1)`, whose first array holds sums of rows. A sum that overflows is replaced by one of smaller terms.

    `attempt(scale)` multiplies terms by a power of two and divides their sum by it. It is compiled once.
    """
    # Terms are small enough for twice the largest number in every row, each with a weight of up to 2^30.
    small = 2.0 ** -(32 + rows.bit_length())
    shapes = jax.eval_shape(attempt, jax.ShapeDtypeStruct((), dtype))

    def unfinished(carry: tuple) -> Array:
        step, found = carry
        return (step == 0) | ((step == 1) & ~jnp.isfinite(found[0]).all())

    def advance(carry: tuple) -> tuple:
        step, (before, *_) = carry
        first, *rest = attempt(jnp.where(step == 0, 1, small).astype(dtype))
        kept = (step > 0) & jnp.isfinite(before)
        return step + 1, (jnp.where(kept, before, first), *rest)

    start = jnp.zeros((), jnp.int32), tuple(jnp.zeros(s.shape, s.dtype) for s in shapes)
    first, *rest = lax.while_loop(unfinished, advance, start)[1]
    return within(first), *rest
