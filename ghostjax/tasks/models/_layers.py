"""Convolution, pooling and dropout in the form that stays fast when every node has its own examples."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._types import Key


def convolve(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "kh kw c o"],
    bias: Float[Array, " o"],
    padding: int = 0,
) -> Float[Array, "b h2 w2 o"]:
    """Cross-correlation with stride 1 as patches times a matrix.

    Under `vmap` the weight gradient of `lax.conv` becomes a grouped convolution, which XLA runs on a slow path
    on CPU (`benchmarks/convolution.py`); of a matrix product it becomes a batched product.
    """
    kh, kw, c, o = kernel.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    b, h, w = x.shape[0], x.shape[1] - kh + 1, x.shape[2] - kw + 1
    patches = jnp.concatenate([x[:, i : i + h, j : j + w] for i in range(kh) for j in range(kw)], axis=-1)
    outputs = patches.reshape(b * h * w, kh * kw * c) @ kernel.reshape(kh * kw * c, o)
    return (outputs + bias[None, :]).reshape(b, h, w, o)


def max_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """The largest of each 2 x 2 window; an odd last row or column is dropped."""
    b, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c)
    rows = jnp.maximum(x[:, :, 0], x[:, :, 1])
    return jnp.maximum(rows[:, :, :, 0], rows[:, :, :, 1])


def dropout(x: Float[Array, "b *rest"], rate: float, key: Key, *, whole_channels: bool = False) -> Array:
    """Zeroes entries (or whole channels, the last axis) with probability `rate` and divides the rest by 1 - rate."""
    shape = (x.shape[0], *([1] * (x.ndim - 2)), x.shape[-1]) if whole_channels else x.shape
    kept = jax.random.bernoulli(key, 1 - rate, shape)
    return jnp.where(kept, x / (1 - rate), 0)
