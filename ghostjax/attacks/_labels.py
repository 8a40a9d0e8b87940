"""Rewriting the labels of a batch where a node is Byzantine."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from ghostjax._types import require


def relabel(call: str, batch: PyTree, byzantine: Bool[Array, " n"], rename: Callable[[Array], Array]) -> PyTree:
    """`batch` with `batch.y [n, b, ...]` renamed for Byzantine nodes; `call` names the attack in errors."""
    y: Any = getattr(batch, "y", jnp.zeros(()))
    kind = f"y of dtype {y.dtype}" if hasattr(batch, "y") else "no field y"
    require(
        jnp.issubdtype(y.dtype, jnp.integer),
        call,
        "batch",
        kind,
        "needs integer class labels `batch.y`; use a classification task",
    )
    mask = byzantine.reshape(-1, *(1,) * (y.ndim - 1))
    return eqx.tree_at(lambda b: b.y, batch, jnp.where(mask, rename(y), y))
