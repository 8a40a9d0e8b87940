"""A supervised task from arrays, a partition of the examples over nodes, and a model."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._kernels import widened
from ghostjax._types import ConfigurationError, Key, require, static_field
from ghostjax.tasks._base import AbstractTask
from ghostjax.tasks._draw import draw_slots
from ghostjax.tasks._splits import carve, Examples, NOTHING_HELD_OUT, ONE_FOR_BOTH, Split, Splits
from ghostjax.tasks.criteria import cross_entropy
from ghostjax.tasks.partition import describe, dirichlet, Heterogeneity, Partition


Shares = Partition | Callable[[np.ndarray], Partition]
"""Who holds which example, or a function of the targets that says it."""
Criterion = Callable[[Array, Array], Array]
"""`criterion(outputs [b, ...], targets [b, ...]) -> [b]`: what is paid per example."""


class Batch(NamedTuple):
    """Examples, their targets and optionally what each counts, with the node axis first where all nodes are meant."""

    x: Array
    y: Array
    weight: Array | None = None


class ArrayTask(AbstractTask):
    """Examples in memory, an index matrix that says who holds which, and a model.

        node i:        f_i(theta) = mean over its examples of  weight_ij local_criterion(model(theta, x_j), y_j)
        stated goal:   mean over the validation examples of    criterion(model(theta, x), y)

    Every node draws `batch_size` of its own examples, uniformly and with replacement, at each call of `sample`;
    what it draws depends on the key and its number of examples alone, in float32 and float64 alike.
    `evaluate` reports `loss` and, for integer targets, `accuracy`, `eval_batch` examples of a set at a time; sums are
    taken in float32 at least. `splits` names the sets; only `x` and `y`, the training set, belong to nodes.
    Images as bytes (uint8) are stored as they are and divided by 255 when they are drawn; then `shift` is subtracted
    and `scale` divided by, along the last axes.

    **Traced:** `weights`, `shift`, `scale`, all arrays. **Static:** `batch_size`, `eval_batch`,
    `sequential`, the model's functions, the criteria.
    """

    x: Array
    y: Array
    validation: Examples
    test: Examples
    indices: Int[Array, "n m"]
    counts: Int[Array, " n"]
    model: Any
    audit: Examples | None = None
    weights: Float[Array, "n m"] | None = None
    shift: Float[Array, "..."] | None = None
    scale: Float[Array, "..."] | None = None
    criterion: Criterion = static_field(default=cross_entropy)
    local_criterion: Criterion = static_field(default=cross_entropy)
    batch_size: int = static_field(default=32)
    eval_batch: int = static_field(default=1000)
    sequential: bool = static_field(default=False)
    note: str = static_field(default="")

    @property
    def splits(self) -> Splits:
        return Splits(Examples(self.x, self.y), self.audit, self.validation, self.test, self.note)

    @property
    def num_nodes(self) -> int:
        return self.indices.shape[0]

    def init(self, key: Key) -> PyTree:
        return self.model.init(key)

    def sample(self, key: Key) -> Batch:
        slot = draw_slots(key, self.counts, self.batch_size)
        chosen = jnp.take_along_axis(self.indices, slot, axis=1, mode="clip")
        weight = None if self.weights is None else jnp.take_along_axis(self.weights, slot, axis=1, mode="clip")
        # Indices lie inside the data (checked at construction), so the gather needs no guard.
        return Batch(self._seen(self.x.at[chosen].get(mode="clip")), self.y.at[chosen].get(mode="clip"), weight)

    def loss(self, params: PyTree, batch: Batch, key: Key) -> Float[Array, ""]:
        losses = self.local_criterion(self.model.apply(params, batch.x, key), batch.y)
        return losses.mean() if batch.weight is None else (batch.weight.astype(losses.dtype) * losses).mean()

    def evaluate(self, params: PyTree, split: Split = "validation") -> dict[str, Float[Array, ""]]:
        examples = self.splits.of(split, "ArrayTask.evaluate")
        total = examples.x.shape[0]
        if total <= self.eval_batch:
            sums = self._sums(params, *examples, jnp.ones(total, bool))
        else:
            pieces = -(-total // self.eval_batch)
            rows = jnp.arange(pieces * self.eval_batch).reshape(pieces, self.eval_batch)

            def piece(row: Array) -> dict[str, Array]:
                x, y = (values.at[row].get(mode="clip") for values in examples)
                return self._sums(params, x, y, row < total)

            sums = jax.lax.map(piece, rows)
            sums = jax.tree.map(lambda leaf: leaf.sum(0), sums)
        return {name: value / total for name, value in sums.items()}

    def describe(self) -> Heterogeneity:
        """The realised label histogram of the nodes and how uneven it is; integer targets only."""
        if not jnp.issubdtype(self.y.dtype, jnp.integer) or self.y.ndim != 1:
            raise ConfigurationError(
                f"ArrayTask.describe: y of dtype {self.y.dtype} and shape {self.y.shape}: a label histogram needs one "
                "integer label per example"
            )
        return describe(Partition(np.asarray(self.indices), np.asarray(self.counts)), np.asarray(self.y))

    def _seen(self, x: Array) -> Array:
        """The inputs as the model sees them."""
        if x.dtype == jnp.uint8:
            x = x.astype(jnp.result_type(float)) / 255
        if self.shift is not None:
            x = x - self.shift.reshape((1,) * (x.ndim - self.shift.ndim) + self.shift.shape)
        if self.scale is not None:
            x = x / self.scale.reshape((1,) * (x.ndim - self.scale.ndim) + self.scale.shape)
        return x

    def _sums(self, params: PyTree, x: Array, y: Array, counts: Array) -> dict[str, Float[Array, ""]]:
        outputs = self.model.apply(params, self._seen(x), None)
        # The sum of many float16 losses would leave their range.
        losses = widened(self.criterion(outputs, y))
        sums = {"loss": jnp.where(counts, losses, 0).sum()}
        if jnp.issubdtype(y.dtype, jnp.integer):
            sums["accuracy"] = (counts & (outputs.argmax(-1).astype(y.dtype) == y)).sum(dtype=losses.dtype)
        return sums


def from_arrays(
    x: Any,
    y: Any,
    model: Any,
    partition: Shares,
    criterion: Criterion = cross_entropy,
    *,
    audit: tuple[Any, Any] | None = None,
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    local_criterion: Criterion | None = None,
    weights: Any = None,
    shift: Any = None,
    scale: Any = None,
    batch_size: int = 32,
    eval_batch: int = 1000,
) -> ArrayTask:
    """A task from examples `x [N, ...]`, targets `y [N, ...]`, a model and a partition of `range(N)`.

    `partition` may be a function of `y`. `validation`, `test` and `audit` are pairs of examples and targets that no
    node trains on: the stated goal reads `validation`, tables read `test`, participants share `audit`. If one of
    `validation` and `test` is given it is both; if neither is, both are all examples `x`. `task.splits` and the run's
    summary say which of these holds. What nodes minimise may differ from the goal: `local_criterion`
    replaces `criterion` in training, and `weights` says what example j counts, `[N]`, or what node i's slot k
    counts, `[n, m]` as `partition.indices`. Floating inputs get the default float dtype.

    Errors: a node without examples, an index beyond N, arrays of different length, numbers that are not finite, a
    model that cannot take the examples, a class label that the model has no output for.

    ```python
    >>> import numpy as np
    >>> from ghostjax.tasks import from_arrays, models, partition
    >>> x, y = np.eye(6), np.arange(6) % 3
    >>> task = from_arrays(x, y, models.Linear(6, 3), partition.iid(y, 2), batch_size=4)
    >>> task.num_nodes, task.describe().histogram.sum(1).tolist()
    (2, [3, 3])

    ```
    """
    x, y = _stored(x), _stored(y)
    call = "from_arrays"
    require(len(x) == len(y), call, "y", f"{len(y)} targets", f"needs one per example, {len(x)}")
    require(len(x) > 0, call, "x", "no examples", "give at least one per node")
    require(batch_size >= 1, call, "batch_size", batch_size, "must be at least 1")
    require(eval_batch >= 1, call, "eval_batch", eval_batch, "must be at least 1")
    parts = partition if isinstance(partition, Partition) else partition(np.asarray(y))
    empty = np.flatnonzero(parts.counts == 0).tolist()
    require(
        not empty,
        call,
        "partition",
        f"nodes {empty} without examples",
        "use a larger alpha, fewer nodes, or min_size >= 1",
    )
    low, top = int(parts.indices.min()), int(parts.indices.max())
    require(low >= 0 and top < len(x), call, "partition", f"indices {low} to {top}", f"x has {len(x)} examples")
    if weights is not None:
        weights = jnp.asarray(weights, jnp.result_type(float))
        weights = weights[parts.indices] if weights.shape == (len(x),) else weights
        require(
            weights.shape == parts.indices.shape,
            call,
            "weights",
            f"array of shape {weights.shape}",
            f"give one per example, ({len(x)},), or one per node and slot, {parts.indices.shape}",
        )
    pairs = {"audit": audit, "validation": validation, "test": test}
    held = {name: Examples(_stored(pair[0]), _stored(pair[1])) for name, pair in pairs.items() if pair is not None}
    for name, part in held.items():
        require(
            len(part.x) == len(part.y) > 0,
            call,
            name,
            f"{len(part.x)} examples, {len(part.y)} targets",
            "needs one target per example, and at least one",
        )
    known = {"x": Examples(x, y), **held}
    for name, part in known.items():
        _check_finite(call, name, part.x)
        _check_finite(call, f"{name} targets" if name != "x" else "y", part.y)
    _check_model(call, model, x, {"y" if name == "x" else name: part.y for name, part in known.items()}, criterion)
    goal = held.get("validation", held.get("test", known["x"]))
    note = "" if len(held.keys() - {"audit"}) == 2 else ONE_FOR_BOTH if goal is not known["x"] else NOTHING_HELD_OUT
    return ArrayTask(
        x=x,
        y=y,
        validation=goal,
        test=held.get("test", goal),
        audit=held.get("audit"),
        note=note,
        indices=jnp.asarray(parts.indices, jnp.int32),
        counts=jnp.asarray(parts.counts, jnp.int32),
        model=model,
        weights=weights,
        shift=None if shift is None else jnp.asarray(shift, jnp.result_type(float)),
        scale=None if scale is None else jnp.asarray(scale, jnp.result_type(float)),
        criterion=criterion,
        local_criterion=criterion if local_criterion is None else local_criterion,
        batch_size=batch_size,
        eval_batch=eval_batch,
        sequential=getattr(model, "sequential", False),
    )


def over_nodes(
    call: str,
    data: Splits | tuple[tuple[Any, Any], tuple[Any, Any]],
    num_nodes: int,
    model: Any,
    partition: Shares | None,
    alpha: float,
    seed: int,
    **options: Any,
) -> ArrayTask:
    """The task `call` on `data`, Dirichlet(`alpha`) unless a partition is given; pairs `(train, test)` are carved up.

    Errors: `ConfigurationError` for a partition of another number of nodes than was asked for.
    """
    sets = data if isinstance(data, Splits) else carve(*data[0], data[1])
    train = sets.of("train", call)
    if partition is None:
        partition = dirichlet(train.y, num_nodes, alpha, seed=seed, min_size=1)
    held = {"audit": sets.audit, "validation": sets.validation, "test": sets.test}
    task = from_arrays(*train, model, partition, **held, **options)
    require(
        task.num_nodes == num_nodes,
        call,
        "partition",
        f"of {task.num_nodes} nodes",
        f"num_nodes={num_nodes}; give a partition of that many, or as many nodes as it has",
    )
    return task


def _check_finite(call: str, name: str, values: Array) -> None:
    if jnp.issubdtype(values.dtype, jnp.floating):
        bad = int((~np.isfinite(np.asarray(values)).reshape(len(values), -1).all(1)).sum())
        require(bad == 0, call, name, f"{bad} rows with nan or inf", "drop or fill them, or the goal is never a number")


def _check_model(call: str, model: Any, x: Array, labels: dict[str, Array], criterion: Criterion) -> None:
    """Whether the model takes the examples, and has an output for every class: no index error would ever say so."""
    like = jax.ShapeDtypeStruct((2, *x.shape[1:]), jnp.result_type(float) if x.dtype == jnp.uint8 else x.dtype)
    try:
        outputs = jax.eval_shape(lambda key, x: model.apply(model.init(key), x, None), jax.random.key(0), like)
    except (TypeError, ValueError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigurationError(
            f"{call}: model={type(model).__name__}: cannot take examples of shape {x.shape[1:]} ({why}); give it that "
            "input, or the examples that shape"
        ) from error
    if criterion is not cross_entropy:
        return
    for name, y in labels.items():
        low, top = int(y.min()), int(y.max())
        require(
            low >= 0 and top < outputs.shape[-1],
            call,
            name,
            f"labels {low} to {top}",
            f"the model has {outputs.shape[-1]} outputs; number classes from 0, and give the model one output for each",
        )


def _stored(values: Any) -> Array:
    values = jnp.asarray(values)
    if values.dtype in (jnp.float32, jnp.float64):
        return values.astype(jnp.result_type(float))
    return values.astype(jnp.int32) if values.dtype == jnp.int64 else values
