"""Sums and distances across neighbour slots: receiver i reads rows `nbr[i, 0..k-1]`, and no `[n, k, d]` exists.

Row j of every receiver at once is the gather `x[nbr[:, j]]`, `[n, d]`; XLA fuses the k gathers into one pass
over memory. Mapping a rule over `x[nbr]` materialises all of them and is 20 to 160 times slower on CPU.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ghostjax._kernels.span import within


_UNROLL = 32
"""Slots that are added in one fused loop; more of them are added one after the other."""


def slot_sum(x: Float[Array, "m d"], nbr: Int[Array, "n k"], a: Float[Array, "n k"]) -> Float[Array, "n d"]:
    """`y_i = sum_j a[i, j] x[nbr[i, j]]`, for finite rows and coefficients `a >= 0` that sum to 1 or 0 for each i.

    Graphs with `k > m / 6` take one matrix product with the dense form of `a`, the others a sum of gathers.
    """
    return within(_sum(x, nbr, a))


def _sum(x: Array, nbr: Array, a: Array) -> Array:
    n, k = nbr.shape
    if 6 * k > x.shape[0]:
        dense = jnp.zeros((n, x.shape[0]), x.dtype).at[jnp.arange(n)[:, None], nbr].add(a)
        return jnp.matmul(dense, x, precision=jax.lax.Precision.HIGHEST)
    if k <= _UNROLL:
        return sum((x[nbr[:, j]] * a[:, j : j + 1] for j in range(1, k)), x[nbr[:, 0]] * a[:, :1])

    def add(y: Array, slot: tuple[Array, Array]) -> tuple[Array, None]:
        index, factor = slot
        return y + x[index] * factor[:, None], None

    return jax.lax.scan(add, jnp.zeros((n, x.shape[1]), x.dtype), (nbr.T, a.T))[0]


def slot_squares(dist2: Float[Array, "m m"], nbr: Int[Array, "n k"]) -> Float[Array, "n k k"]:
    """Squared distances between the rows in the slots of each receiver, from those between all rows."""
    return dist2[nbr[:, :, None], nbr[:, None, :]]
