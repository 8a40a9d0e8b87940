"""The border between parameter trees (models) and flat vectors `[d]` (messages)."""

import copy
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._types import ConfigurationError, static_field


class Ravel(eqx.Module):
    """Flattens trees of one structure to `[d]` and back.

    Differs from `jax.flatten_util.ravel_pytree` in that it is made from shapes alone, hashes by value (a
    rebuilt one does not retrace) and refuses mixed dtypes instead of promoting them.
    """

    treedef: Any = static_field()
    shapes: tuple[tuple[int, ...], ...] = static_field()
    dtype: Any = static_field()

    def __init__(self, like: PyTree):
        leaves, self.treedef = jax.tree.flatten(like)
        self.shapes = tuple(tuple(leaf.shape) for leaf in leaves)
        dtypes = {jnp.dtype(leaf.dtype) for leaf in leaves}
        if len(dtypes) != 1:
            raise ConfigurationError(
                f"Ravel: parameters of dtypes {sorted(map(str, dtypes))}: messages are one array, so give all "
                "parameters one floating dtype"
            )
        self.dtype = dtypes.pop()

    @property
    def size(self) -> int:
        """Number of parameters d."""
        return sum(math.prod(shape) for shape in self.shapes)

    def ravel(self, tree: PyTree) -> Float[Array, " d"]:
        """The leaves of `tree`, one after the other."""
        return jnp.concatenate([leaf.reshape(-1) for leaf in jax.tree.leaves(tree)])

    def unravel(self, vector: Float[Array, " d"]) -> PyTree:
        """The tree whose `ravel` is `vector`."""
        leaves, start = [], 0
        for shape in self.shapes:
            stop = start + math.prod(shape)
            leaves.append(vector[start:stop].reshape(shape))
            start = stop
        return jax.tree.unflatten(self.treedef, leaves)


def replaced(module: Any, **values: Any) -> Any:
    """A copy of `module` with other values in some fields, which are not checked again."""
    other = copy.copy(module)
    for name, value in values.items():
        object.__setattr__(other, name, value)
    return other


def select(condition: Array, on_true: PyTree, on_false: PyTree) -> PyTree:
    """`where` over two trees of one structure; typed keys and integers pass through unchanged in dtype."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), on_true, on_false)


def select_rows(mask: Bool[Array, " n"], on_true: PyTree, on_false: PyTree) -> PyTree:
    """Rows of one tree where `mask`, rows of the other elsewhere. A leaf that both share is returned as it is."""

    def pick(a: Array, b: Array) -> Array:
        return b if a is b else jnp.where(mask.reshape(-1, *(1,) * (b.ndim - 1)), a, b)

    return jax.tree.map(pick, on_true, on_false)
