"""What 16-bit messages are computed in."""

import jax.numpy as jnp
from jaxtyping import Array


def at_least_float32(x: Array) -> Array:
    """`x` in float32 if its floats have fewer bits, which no sum over identities survives; otherwise `x`."""
    return x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x
