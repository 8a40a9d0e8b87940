"""The arguments of `rule(x, w)` and `attack(x, byzantine, w)`: arrays, and values that numpy turns into arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ghostjax._border import shown
from ghostjax._types import require


def messages(x: Any, call: str) -> Float[Array, "n d"]:
    """`x` as real numbers, one row per identity. Errors: text, bool, complex or ragged rows, another shape."""
    rows = _numbers(x, call, "x", "give real numbers [n, d], one row per identity", "iufV")
    shape = f"array of shape {np.shape(rows)}"
    remedy = "give [n, d], one row per identity" + ("; x[:, None] for numbers" if rows.ndim == 1 else "")
    require(rows.ndim == 2, call, "x", shape, remedy)
    return _floats(rows, jnp.result_type(float))


def weights(w: Any, x: Float[Array, "n d"], call: str) -> Float[Array, " n"]:
    """`w`, or 1 each, in the dtype of the messages `x`. Errors: another length, a negative or non-finite weight."""
    n = x.shape[0]
    if w is None:
        return jnp.asarray(np.ones(n, x.dtype))
    remedy = f"give one number of at least 0 for each of the {n} rows"
    counts = _numbers(w, call, "w", remedy, "biufV")
    shape = f"array of shape {np.shape(counts)}"
    require(counts.shape == (n,), call, "w", shape, remedy)
    if not isinstance(counts, Tracer):
        plain = np.asarray(counts)
        wrong = ~((plain >= 0) & (plain < np.inf))
        require(not wrong.any(), call, "w", shown(plain[wrong][:3]), remedy)
    return _floats(counts, x.dtype)


def _numbers(value: Any, call: str, parameter: str, remedy: str, kinds: str) -> Any:
    if not isinstance(value, jax.Array):
        try:
            value = np.asarray(value)
        except ValueError:  # ragged
            require(False, call, parameter, shown(value), remedy)
    require(value.dtype.kind in kinds, call, parameter, f"array of {value.dtype}", remedy)
    return value


def _floats(value: Any, dtype: Any) -> Array:
    if isinstance(value, jax.Array):
        return value if jnp.issubdtype(value.dtype, jnp.floating) else value.astype(dtype)
    return jnp.asarray(value, None if jnp.issubdtype(value.dtype, jnp.floating) else dtype)
