"""The precision in which 16-bit messages are aggregated."""

import jax.numpy as jnp
from jaxtyping import Array


def at_least_float32(x: Array) -> Array:
    """`x`, promoted to float32 if narrower: sums over identities lose all precision in 16 bits."""
    return x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x
