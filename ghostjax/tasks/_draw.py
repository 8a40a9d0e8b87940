"""Draws examples for every node, and finds models that draw numbers themselves."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal
from jaxtyping import Array, Int

from ghostjax._types import Key


def draw_slots(key: Key, counts: Int[Array, " n"], batch_size: int) -> Int[Array, "n b"]:
    """Independent uniform indices below each node's count, `floor(bits count / 2^32)` from 32 random bits.

    Each index takes one word of random bits and is the same in float32 and float64. Two indices differ in probability
    by at most a factor 1 + count / 2^31. The high word of the product is summed from 16-bit halves, since jax has no
    64-bit integers by default.
    """
    bits = jax.random.bits(key, (counts.shape[0], batch_size), jnp.uint32)
    high, low = bits >> 16, bits & 0xFFFF
    count = counts.astype(jnp.uint32)[:, None]
    top, bottom = count >> 16, count & 0xFFFF
    inner = high * bottom + ((low * bottom) >> 16)
    slot = high * top + (inner >> 16) + ((low * top + (inner & 0xFFFF)) >> 16)
    return slot.astype(jnp.int32)


def draws_numbers(model: Any, x: Array) -> bool:
    """Whether the outputs of a model for the batch `x` depend on its key, as with dropout; found without running it."""
    key = jax.random.key(0)
    traced = jax.make_jaxpr(model.apply)(jax.eval_shape(model.init, key), x, key).jaxpr
    needed = {var for var in traced.outvars if not isinstance(var, Literal)}
    for equation in reversed(traced.eqns):
        if needed.intersection(equation.outvars):
            needed.update(var for var in equation.invars if not isinstance(var, Literal))
    return traced.invars[-1] in needed
