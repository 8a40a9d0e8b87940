"""A supervised task from arrays, a partition of the examples over nodes, and a model."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._border import member, shown, whole
from ghostjax._kernels import at_least_float32
from ghostjax._round import Audit, Moments
from ghostjax._types import ConfigurationError, Key, require, static_field
from ghostjax.tasks._base import AbstractTask
from ghostjax.tasks._draw import draw_slots, draws_numbers
from ghostjax.tasks._splits import Examples, hold_out, NOTHING_HELD_OUT, ONE_FOR_BOTH, Split, Splits
from ghostjax.tasks._targets import check_criterion, check_finite, counts_hits, Criterion, outputs_of, paired, stored
from ghostjax.tasks.criteria import cross_entropy
from ghostjax.tasks.models import AbstractModel
from ghostjax.tasks.partition import checked, describe, dirichlet, Heterogeneity, Partition


Shares = Partition | Callable[[np.ndarray], Partition]
"""A partition of examples over nodes, or a function from targets to one."""


class Batch(NamedTuple):
    """Examples, their targets and optionally their weights; a batch of all nodes has the node axis first."""

    x: Array
    y: Array
    weight: Array | None = None


class ArrayTask(AbstractTask):
    """Examples in memory, an index matrix with the examples of each node, and a model.

        node i:        f_i(theta) = mean over its examples of  weight_ij local_criterion(model(theta, x_j), y_j)
        stated goal:   mean over the validation examples of    criterion(model(theta, x), y)

    Every node draws `batch_size` of its own examples, uniformly and with replacement, at each call of `sample`. The
    draw depends on the key and the node's number of examples alone, and is the same in float32 and float64. `evaluate`
    reports `loss` and, if integer targets are class numbers of the outputs, `accuracy` over all positions. It takes
    `eval_batch` examples of a set at a time, and sums in float32 at least. `splits` names the sets; only `x` and `y`,
    the training set, belong to nodes. Images as bytes (uint8) are stored as bytes and divided by 255 when they are
    drawn. Then `shift` is subtracted and the result divided by `scale`, along the last axes.

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

    @property
    def num_classes(self) -> int | None:
        outputs = outputs_of("ArrayTask.num_classes", self.model, self.x)
        return outputs.shape[-1] if counts_hits(outputs, self.y) else None

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

    @property
    def audited(self) -> Callable[[PyTree], Audit] | None:
        return None if self.audit is None else self._audited

    @property
    def committed(self) -> Callable[[PyTree, PyTree], Moments] | None:
        # The gradient of a model that draws numbers is known in distribution only.
        return None if draws_numbers(self.model, self._seen(self.x[:1])) else self._committed

    def _committed(self, params: PyTree, direction: PyTree) -> Moments:
        """Over each node's own examples, drawn with replacement."""
        slopes = self._slopes(params, direction)
        found = slopes.at[self.indices].get(mode="clip")
        found = found if self.weights is None else self.weights.astype(found.dtype) * found
        counts = self.counts.astype(found.dtype)
        own = jnp.arange(self.indices.shape[1])[None, :] < self.counts[:, None]
        mean = jnp.where(own, found, 0).sum(1) / counts
        squares = jnp.where(own, (found - mean[:, None]) ** 2, 0).sum(1) / counts
        return Moments(mean, squares / self.batch_size)

    def _slopes(self, params: PyTree, direction: PyTree) -> Float[Array, " N"]:
        """The derivative of every training example's local loss along `direction`."""

        def losses(params: PyTree, x: Array, y: Array) -> Float[Array, " b"]:
            found = self.local_criterion(self.model.apply(params, self._seen(x), None), y)
            return found.reshape(found.shape[0], -1).mean(1)

        def piece(row: Array) -> Float[Array, " b"]:
            x, y = (values.at[row].get(mode="clip") for values in (self.x, self.y))
            return jax.jvp(lambda params: losses(params, x, y), (params,), (direction,))[1]

        total = self.x.shape[0]
        if total <= self.eval_batch:
            return piece(jnp.arange(total))
        pieces = -(-total // self.eval_batch)
        rows = jnp.arange(pieces * self.eval_batch).reshape(pieces, self.eval_batch)
        return jax.lax.map(piece, rows).reshape(-1)[:total]

    def describe(self) -> Heterogeneity:
        """The realised label histogram of the nodes and its heterogeneity; integer targets only."""
        if not jnp.issubdtype(self.y.dtype, jnp.integer) or self.y.ndim != 1:
            raise ConfigurationError(
                f"ArrayTask.describe: y of dtype {self.y.dtype} and shape {self.y.shape}: a label histogram needs one "
                "integer label per example"
            )
        return describe(Partition(np.asarray(self.indices), np.asarray(self.counts)), np.asarray(self.y))

    def _audited(self, params: PyTree) -> Audit:
        assert self.audit is not None

        def losses(x: Array, y: Array) -> Float[Array, " N"]:
            found = at_least_float32(self.criterion(self.model.apply(params, self._seen(x), None), y))
            return found.reshape(found.shape[0], -1).mean(1)

        return Audit(self._numbers(self.audit.x), self.audit.y, losses)

    def _numbers(self, x: Array) -> Array:
        """Images as bytes on the scale from 0 to 1."""
        return x.astype(jnp.result_type(float)) / 255 if x.dtype == jnp.uint8 else x

    def _seen(self, x: Array) -> Array:
        """The inputs as the model sees them."""
        x = self._numbers(x)
        if self.shift is not None:
            x = x - self.shift.reshape((1,) * (x.ndim - self.shift.ndim) + self.shift.shape)
        if self.scale is not None:
            x = x / self.scale.reshape((1,) * (x.ndim - self.scale.ndim) + self.scale.shape)
        return x

    def _sums(self, params: PyTree, x: Array, y: Array, counts: Array) -> dict[str, Float[Array, ""]]:
        outputs = self.model.apply(params, self._seen(x), None)
        # The sum of many float16 losses would leave their range.
        losses = at_least_float32(self.criterion(outputs, y))
        sums = {"loss": jnp.where(counts, losses, 0).sum()}
        if counts_hits(outputs, y):
            hits = outputs.argmax(-1).astype(y.dtype) == y
            positions = hits.size // hits.shape[0]
            counted = (hits & counts.reshape(-1, *(1,) * (hits.ndim - 1))).sum(dtype=losses.dtype)
            sums["accuracy"] = counted if positions == 1 else counted / positions
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
    node trains on: the stated goal reads `validation`, tables read `test`, participants share `audit`. If only one of
    `validation` and `test` is given, it is used for both; without either, both are all examples `x`. `task.splits` and
    the run's summary say which case holds. The local objective may differ from the goal: `local_criterion` replaces
    `criterion` in training, and `weights` are the weights of examples, `[N]`, or of the slots of nodes, `[n, m]` as
    `partition.indices`. Floating inputs get the default float dtype.

    Labels are whole numbers from 0: `[N]`, a column `[N, 1]`, booleans or whole floats, or `[N, L]` where the model has
    scores `[b, L, c]` for a sequence. Under `squared_error`, targets `[N]` belong to outputs `[b, 1]` one to one.

    Errors: a node without examples, an index beyond N, arrays of different length, numbers that are not finite, a
    model that cannot take the examples, labels that are texts or have no output of the model, a criterion that does
    not return one loss per example, or whose losses depend on other examples.

    ```python
    >>> import numpy as np
    >>> from ghostjax.tasks import from_arrays, models, partition
    >>> x, y = np.eye(6), np.arange(6) % 3
    >>> task = from_arrays(x, y, models.Linear(6, 3), partition.iid(y, 2), batch_size=4)
    >>> task.num_nodes, task.describe().histogram.sum(1).tolist()
    (2, [3, 3])

    ```
    """
    call = "from_arrays"
    batch_size, eval_batch = whole(batch_size, call, "batch_size", low=1), whole(eval_batch, call, "eval_batch", low=1)
    if not (hasattr(model, "init") and hasattr(model, "apply")):
        member(model, AbstractModel, call, "model")
    pairs = {"audit": audit, "validation": validation, "test": test}
    given = {"x": (x, y)} | {name: pair for name, pair in pairs.items() if pair is not None}
    known = {name: _examples(call, name, pair) for name, pair in given.items()}
    outputs = outputs_of(call, model, known["x"].x)
    for name, (inputs, targets) in known.items():
        require(
            inputs.shape[1:] == known["x"].x.shape[1:],
            call,
            name,
            f"examples of shape {inputs.shape[1:]}",
            f"x has examples of shape {known['x'].x.shape[1:]}",
        )
        known[name] = Examples(inputs, paired(call, "y" if name == "x" else name, targets, outputs, criterion))
    x, y = known["x"]
    local = criterion if local_criterion is None else local_criterion
    check_criterion(call, "criterion", criterion, outputs, y)
    if local is not criterion:
        check_criterion(call, "local_criterion", local, outputs, y)
    parts = partition if isinstance(partition, Partition) else _shares(call, partition, y)
    parts = checked(call, parts, len(x))
    empty = np.flatnonzero(parts.counts == 0).tolist()
    require(
        not empty,
        call,
        "partition",
        f"nodes {empty} without examples",
        "use a larger alpha, fewer nodes, or min_size >= 1",
    )
    if weights is not None:
        weights = stored(call, "weights", weights).astype(jnp.result_type(float))
        check_finite(call, "weights", jnp.atleast_1d(weights))
        weights = weights[parts.indices] if weights.shape == (len(x),) else weights
        require(
            weights.shape == parts.indices.shape,
            call,
            "weights",
            f"array of shape {weights.shape}",
            f"give one per example, ({len(x)},), or one per node and slot, {parts.indices.shape}",
        )
    goal = known.get("validation", known.get("test", known["x"]))
    both = "validation" in known and "test" in known
    note = "" if both else ONE_FOR_BOTH if goal is not known["x"] else NOTHING_HELD_OUT
    return ArrayTask(
        x=x,
        y=y,
        validation=goal,
        test=known.get("test", goal),
        audit=known.get("audit"),
        note=note,
        indices=jnp.asarray(parts.indices, jnp.int32),
        counts=jnp.asarray(parts.counts, jnp.int32),
        model=model,
        weights=weights,
        shift=None if shift is None else stored(call, "shift", shift).astype(jnp.result_type(float)),
        scale=None if scale is None else stored(call, "scale", scale).astype(jnp.result_type(float)),
        criterion=criterion,
        local_criterion=local,
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
    """The task `call` on `data`, Dirichlet(`alpha`) unless a partition is given; `data` may be a pair `(train, test)`.

    Errors: `ConfigurationError` for a partition of another number of nodes than `num_nodes`.
    """
    num_nodes = whole(num_nodes, call, "num_nodes", low=1)
    sets = data if isinstance(data, Splits) else hold_out(*data[0], data[1])
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


def _examples(call: str, name: str, pair: Any) -> Examples:
    """A pair of inputs and targets, as numbers."""
    targets = "y" if name == "x" else f"{name} targets"
    require(isinstance(pair, tuple | list) and len(pair) == 2, call, name, shown(pair), "give a pair (inputs, targets)")
    found = Examples(stored(call, name, pair[0]), stored(call, targets, pair[1]))
    lengths = [len(values) if values.ndim else 0 for values in found]
    if name == "x":
        require(lengths[0] == lengths[1], call, "y", f"{lengths[1]} targets", f"needs one per example, {lengths[0]}")
        require(lengths[0] > 0, call, "x", "no examples", "give at least one per node")
    require(
        lengths[0] == lengths[1] > 0,
        call,
        name,
        f"{lengths[0]} examples, {lengths[1]} targets",
        "needs one target per example, and at least one",
    )
    check_finite(call, name, found.x)
    check_finite(call, targets, found.y)
    return found


def _shares(call: str, partition: Any, y: Array) -> Partition:
    made = partition(np.asarray(y)) if callable(partition) else partition
    remedy = "give one of tasks.partition, or a function of the labels that returns one"
    if not isinstance(made, Partition):
        raise ConfigurationError(f"{call}: partition={shown(made)}: {remedy}")
    return made
