"""Convolution, pooling and dropout in the form that stays fast when every node has its own examples."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._types import Key


def convolve(
    x: Float[Array, "c h w b"],
    kernel: Float[Array, "kh kw c o"],
    bias: Float[Array, " o"],
    padding: int = 0,
) -> Float[Array, "o h2 w2 b"]:
    """Cross-correlation with stride 1 as patches times a matrix, examples along the last axis.

    With examples last, each patch row is a contiguous block to copy, and both the product and the one for the
    kernel's gradient need no transposition. `benchmarks/convolution.py` compares it with XLA's convolution.
    """
    kh, kw, c, o = kernel.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    h, w, b = x.shape[1] - kh + 1, x.shape[2] - kw + 1, x.shape[3]
    patches = jnp.stack([x[:, i : i + h, j : j + w] for i in range(kh) for j in range(kw)])
    outputs = kernel.reshape(kh * kw * c, o).T @ patches.reshape(kh * kw * c, h * w * b)
    return (outputs + bias[:, None]).reshape(o, h, w, b)


def max_pool(x: Float[Array, "c h w b"]) -> Float[Array, "c h2 w2 b"]:
    """The largest of each 2 x 2 window; an odd last row or column is dropped."""
    c, h, w, b = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(c, h // 2, 2, w // 2, 2, b)
    rows = jnp.maximum(x[:, :, 0], x[:, :, 1])
    return jnp.maximum(rows[:, :, :, 0], rows[:, :, :, 1])


def dropout(x: Array, rate: float, key: Key, *, axes: tuple[int, ...] | None = None) -> Array:
    """Zeroes entries with probability `rate` and divides the rest by 1 - rate; whole slices if only `axes` count."""
    shape = tuple(size if axes is None or axis in axes else 1 for axis, size in enumerate(x.shape))
    kept = jax.random.bernoulli(key, 1 - rate, shape)
    return jnp.where(kept, x / (1 - rate), 0)
