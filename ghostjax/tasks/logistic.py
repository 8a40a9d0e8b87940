"""Synthetic logistic regression whose heterogeneity is known."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ghostjax._border import choice, number, whole
from ghostjax._types import as_real, Key, real_field, require, static_field
from ghostjax.tasks._base import AbstractTask
from ghostjax.tasks._draw import draw_slots
from ghostjax.tasks._splits import Examples, NAMES, Split, Splits


class LogisticBatch(NamedTuple):
    """Examples and their labels (0 or 1)."""

    x: Float[Array, "*n b d"]
    y: Float[Array, "*n b"]


class Logistic(AbstractTask):
    """Regularised logistic regression over nodes that hold different examples; made by `logistic`.

        f_i(theta) = mean_j [log(1 + exp(x_ij theta)) - y_ij x_ij theta] + ridge/2 ||theta||^2
        goal(theta) = mean_i f_i(theta) over examples of a split, less the minimum of that

    `optimum` minimises the goal over training examples and `heterogeneity = mean_i ||grad f_i||^2` there, both found
    once by Newton's method in double precision, as are the minima over the other sets. `sample` draws `batch_size`
    training examples with replacement. `evaluate` reports `loss`, `distance` to the optimum, and `accuracy`, over held
    out examples of all nodes, or over the training examples with split "train". There the loss of the optimum is 0.
    Models start at zero.

    **Traced:** `ridge` (`optimum` is that of the value at construction) and every array. **Static:** `batch_size`.
    """

    x: Float[Array, "n m d"]
    y: Float[Array, "n m"]
    optimum: Float[Array, " d"]
    minima: dict[str, Float[Array, ""]]
    held: dict[str, LogisticBatch]
    heterogeneity: Float[Array, ""]
    ridge: Float[Array, ""] = real_field(default=1e-2)
    batch_size: int = static_field(default=32)

    @property
    def num_nodes(self) -> int:
        return self.x.shape[0]

    def init(self, key: Key) -> PyTree:
        del key
        return jnp.zeros_like(self.optimum)

    def sample(self, key: Key) -> LogisticBatch:
        n, m, _ = self.x.shape
        slot = draw_slots(key, jnp.full(n, m), self.batch_size)
        x = jnp.take_along_axis(self.x, slot[:, :, None], axis=1, mode="clip")
        return LogisticBatch(x, jnp.take_along_axis(self.y, slot, axis=1, mode="clip"))

    def loss(self, params: PyTree, batch: LogisticBatch, key: Key) -> Float[Array, ""]:
        del key
        margin = batch.x @ params
        ridge = self.ridge.astype(margin.dtype)
        return (jax.nn.softplus(margin) - batch.y * margin).mean() + 0.5 * ridge * (params @ params)

    @property
    def splits(self) -> Splits:
        def rows(x: Array, y: Array) -> Examples:
            return Examples(x.reshape(-1, x.shape[-1]), y.reshape(-1))

        audit, validation, test = (rows(*self.held[name]) for name in NAMES[1:])
        return Splits(rows(self.x, self.y), audit, validation, test)

    def evaluate(self, params: PyTree, split: Split = "validation") -> dict[str, Float[Array, ""]]:
        choice(split, NAMES, "Logistic.evaluate", "split")
        x, y = (self.x, self.y) if split == "train" else self.held[split]
        margin = x @ params
        ridge = self.ridge.astype(margin.dtype)
        goal = (jax.nn.softplus(margin) - y * margin).mean() + 0.5 * ridge * (params @ params)
        return {
            "loss": goal - self.minima[split],
            "distance": jnp.linalg.norm(params - self.optimum),
            "accuracy": ((margin > 0) == (y > 0.5)).mean(dtype=margin.dtype),
        }


def logistic(
    num_nodes: int,
    dim: int = 10,
    *,
    examples: int = 100,
    spread: float = 1.0,
    ridge: float = 1e-2,
    batch_size: int = 32,
    seed: int = 0,
) -> Logistic:
    """A `Logistic` task: node i labels `examples` normal inputs by its own teacher.

    The validation and the test set have as many further examples of each node, the audit set a tenth of that.

        y_ij ~ Bernoulli(sigmoid(x_ij (teacher + spread delta_i))),   x, teacher, delta normal, ||delta_i|| near 1

    `spread` 0 leaves only the differences of finite samples. Errors: `ridge` that is not positive, since the
    optimum need not exist then.

    ```python
    >>> from ghostjax.tasks import logistic
    >>> even, uneven = logistic(8, 5, spread=0.0), logistic(8, 5, spread=4.0)
    >>> bool(even.heterogeneity < uneven.heterogeneity)
    True

    ```
    """
    call = "logistic"
    num_nodes, dim = whole(num_nodes, call, "num_nodes", low=1), whole(dim, call, "dim", low=1)
    examples, batch_size = whole(examples, call, "examples", low=1), whole(batch_size, call, "batch_size", low=1)
    whole(seed, call, "seed", low=0)
    number(spread, call, "spread", low=0)
    require(number(ridge, call, "ridge") > 0, call, "ridge", ridge, "must be positive, or the optimum need not exist")
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((num_nodes, examples, dim))
    teachers = rng.standard_normal(dim) + spread * rng.standard_normal((num_nodes, dim)) / np.sqrt(dim)

    def labels(x: np.ndarray) -> np.ndarray:
        chance = 1 / (1 + np.exp(-np.einsum("nmd,nd->nm", x, teachers)))
        return (rng.random(chance.shape) < chance).astype(float)

    y = labels(x)
    held: dict[str, Any] = {}
    for name, size in {"audit": -(-examples // 10), "validation": examples, "test": examples}.items():
        fresh = rng.standard_normal((num_nodes, size, dim))
        held[name] = fresh, labels(fresh)
    optimum = _newton(x.reshape(-1, dim), y.reshape(-1), ridge)
    margin = x @ optimum
    residual = 1 / (1 + np.exp(-margin)) - y
    gradients = np.einsum("nm,nmd->nd", residual, x) / examples + ridge * optimum
    minima = {"train": _goal(optimum, x, y, ridge)}
    for name, part in held.items():
        rows = part[0].reshape(-1, dim), part[1].reshape(-1)
        minima[name] = _goal(_newton(*rows, ridge), *rows, ridge)
    dtype = jnp.result_type(float)
    return Logistic(
        x=jnp.asarray(x, dtype),
        y=jnp.asarray(y, dtype),
        optimum=jnp.asarray(optimum, dtype),
        minima={name: jnp.asarray(value, dtype) for name, value in minima.items()},
        held={name: LogisticBatch(*(jnp.asarray(leaf, dtype) for leaf in part)) for name, part in held.items()},
        heterogeneity=jnp.asarray(np.square(gradients).sum(1).mean(), dtype),
        ridge=as_real(ridge),
        batch_size=batch_size,
    )


def _goal(theta: np.ndarray, x: np.ndarray, y: np.ndarray, ridge: float) -> float:
    margin = x @ theta
    return float((np.logaddexp(0, margin) - y * margin).mean() + 0.5 * ridge * theta @ theta)


def _newton(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """The minimiser of the goal by damped Newton steps, which converge on a strongly convex function."""
    theta = np.zeros(x.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-(x @ theta)))
        gradient = x.T @ (p - y) / len(y) + ridge * theta
        hessian = (x * (p * (1 - p))[:, None]).T @ x / len(y) + ridge * np.eye(len(theta))
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step < 1e-28:
            break
        size = 1.0
        while _goal(theta - size * step, x, y, ridge) > _goal(theta, x, y, ridge) and size > 1e-6:
            size /= 2
        theta = theta - size * step
    return theta
