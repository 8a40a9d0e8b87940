"""The local gradient of every node."""

from typing import Any

import jax
from jaxtyping import Array, Float, PyTree

from ghostjax._tree import Ravel


def local_gradients(
    task: Any, ravel: Ravel, models: Float[Array, "*n d"], batch: PyTree, keys: Array
) -> tuple[Float[Array, " n"], Float[Array, "n d"]]:
    """The loss `[n]` and the gradient `[n, d]` of every node on its rows of `batch`, at `models` (`[d]` or `[n, d]`).

    All nodes are computed as one batch, or one after the other on a CPU if the task asks for it (`task.sequential`).
    """

    def one(theta: Array, examples: PyTree, key: Any) -> tuple[Array, Array]:
        loss, gradient = jax.value_and_grad(task.loss)(ravel.unravel(theta), examples, key)
        return loss, ravel.ravel(gradient)

    shared = models.ndim == 1
    if task.sequential and jax.default_backend() == "cpu":
        rows = (batch, keys) if shared else (models, batch, keys)
        return jax.lax.map(lambda row: one(models, *row) if shared else one(*row), rows)
    return jax.vmap(one, in_axes=(None if shared else 0, 0, 0))(models, batch, keys)
