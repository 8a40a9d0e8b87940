"""A supervised task from arrays, a partition of the examples over nodes, and a model."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._types import Key, require, static_field
from ghostjax.tasks._base import AbstractTask
from ghostjax.tasks.partition import Partition


class Batch(NamedTuple):
    """Examples and their targets, with the node axis first where all nodes are meant."""

    x: Array
    y: Array


def cross_entropy(outputs: Float[Array, "b c"], labels: Int[Array, " b"]) -> Float[Array, " b"]:
    """Softmax cross entropy per example."""
    return optax.softmax_cross_entropy_with_integer_labels(outputs, labels)


class ArrayTask(AbstractTask):
    """Examples in memory, an index matrix that says who holds which, and a model.

    Every node draws `batch_size` of its own examples with replacement each time; `evaluate` uses the
    held-out examples. **Static:** `batch_size`, the model's functions, the loss.
    """

    x: Array
    y: Array
    test_x: Array
    test_y: Array
    indices: Int[Array, "n m"]
    counts: Int[Array, " n"]
    model: Any
    criterion: Callable[[Array, Array], Array] = static_field(default=cross_entropy)
    batch_size: int = static_field(default=32)

    @property
    def num_nodes(self) -> int:
        return self.indices.shape[0]

    def init(self, key: Key) -> PyTree:
        return self.model.init(key)

    def sample(self, key: Key) -> Batch:
        n, _ = self.indices.shape
        uniform = jax.random.uniform(key, (n, self.batch_size))
        slot = jnp.minimum(
            (uniform * self.counts[:, None].astype(uniform.dtype)).astype(jnp.int32), self.counts[:, None] - 1
        )
        chosen = jnp.take_along_axis(self.indices, slot, axis=1)
        return Batch(self.x[chosen], self.y[chosen])

    def loss(self, params: PyTree, batch: Batch, key: Key) -> Float[Array, ""]:
        return self.criterion(self.model.apply(params, batch.x, key), batch.y).mean()

    def evaluate(self, params: PyTree) -> dict[str, Float[Array, ""]]:
        outputs = self.model.apply(params, self.test_x, None)
        values = {"loss": self.criterion(outputs, self.test_y).mean()}
        if jnp.issubdtype(self.test_y.dtype, jnp.integer):
            values["accuracy"] = (outputs.argmax(-1) == self.test_y).mean(dtype=outputs.dtype)
        return values


def from_arrays(
    x: Any,
    y: Any,
    model: Any,
    partition: Partition,
    *,
    test: tuple[Any, Any],
    criterion: Callable[[Array, Array], Array] = cross_entropy,
    batch_size: int = 32,
) -> ArrayTask:
    """A task from examples `x [N, ...]`, targets `y [N]`, a model and a partition of `range(N)`.

    `test` holds the examples and targets of the stated goal. Errors: a node without examples, an index
    beyond N, arrays of different length.
    """
    x, y = jnp.asarray(x), jnp.asarray(y)
    require(len(x) == len(y), "from_arrays", "y", f"{len(y)} targets", f"needs one per example, {len(x)}")
    empty = [i for i, count in enumerate(partition.counts.tolist()) if count == 0]
    require(
        not empty,
        "from_arrays",
        "partition",
        f"nodes {empty} without examples",
        "use a larger alpha, fewer nodes, or min_size >= 1",
    )
    top = int(partition.indices.max())
    require(top < len(x), "from_arrays", "partition", f"index {top}", f"x has {len(x)} examples")
    return ArrayTask(
        x=x,
        y=y,
        test_x=jnp.asarray(test[0]),
        test_y=jnp.asarray(test[1]),
        indices=jnp.asarray(partition.indices, jnp.int32),
        counts=jnp.asarray(partition.counts, jnp.int32),
        model=model,
        criterion=criterion,
        batch_size=batch_size,
    )
