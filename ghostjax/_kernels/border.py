"""The border of a round: rows that are not finite become absent, once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def finite_rows(x: Float[Array, "n d"]) -> Bool[Array, " n"]:
    """Whether every number of a row is finite."""
    # 0 times a finite number is 0, times inf or nan it is nan: one product instead of an [n, d] mask and its
    # reduction, which is slower on CPU. Full precision, since rounding to fewer digits could overflow to inf.
    zeros = jnp.zeros(x.shape[1], x.dtype)
    return jnp.isfinite(jnp.matmul(jax.lax.stop_gradient(x), zeros, precision=jax.lax.Precision.HIGHEST))


def present(
    x: Float[Array, "n d"], w: Float[Array, " n"]
) -> tuple[Float[Array, "n d"], Float[Array, " n"], Float[Array, " n"]]:
    """Rows and weights with every non-finite row zeroed and absent, and the weight that each row lost.

    The test is finiteness and never `w > 0`: a zero weight must not hide a row from the derivative in `w`.
    """
    finite = finite_rows(x)
    return jnp.where(finite[:, None], x, 0), jnp.where(finite, w, 0), jnp.where(finite, 0, w)
