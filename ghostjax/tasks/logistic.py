"""Synthetic logistic regression whose heterogeneity is known."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ghostjax._types import as_real, Key, real_field, require, static_field
from ghostjax.tasks._base import AbstractTask
from ghostjax.tasks._draw import draw_slots


class LogisticBatch(NamedTuple):
    """Examples and their labels (0 or 1)."""

    x: Float[Array, "*n b d"]
    y: Float[Array, "*n b"]


class Logistic(AbstractTask):
    """Regularised logistic regression over nodes that hold examples of their own; made by `logistic`.

        f_i(theta) = mean_j [log(1 + exp(x_ij theta)) - y_ij x_ij theta] + ridge/2 ||theta||^2
        goal(theta) = mean_i f_i(theta)

    `optimum` minimises the goal and `heterogeneity = mean_i ||grad f_i||^2` there, both found once by Newton's method
    in double precision. `sample` draws `batch_size` examples with replacement. `evaluate` reports `loss`, the goal
    above its minimum, `distance` to the optimum, and `accuracy` over all examples. Models start at zero.

    **Traced:** `ridge` (the optimum belongs to the value it was made with) and every array. **Static:**
    `batch_size`.
    """

    x: Float[Array, "n m d"]
    y: Float[Array, "n m"]
    optimum: Float[Array, " d"]
    minimum: Float[Array, ""]
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

    def evaluate(self, params: PyTree) -> dict[str, Float[Array, ""]]:
        margin = self.x @ params
        ridge = self.ridge.astype(margin.dtype)
        goal = (jax.nn.softplus(margin) - self.y * margin).mean() + 0.5 * ridge * (params @ params)
        return {
            "loss": goal - self.minimum,
            "distance": jnp.linalg.norm(params - self.optimum),
            "accuracy": ((margin > 0) == (self.y > 0.5)).mean(dtype=margin.dtype),
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
    """A `Logistic` task: node i labels `examples` normal inputs by a teacher of its own.

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
    require(num_nodes >= 1, call, "num_nodes", num_nodes, "must be at least 1")
    require(dim >= 1, call, "dim", dim, "must be at least 1")
    require(examples >= 1, call, "examples", examples, "must be at least 1")
    require(batch_size >= 1, call, "batch_size", batch_size, "must be at least 1")
    require(ridge > 0, call, "ridge", ridge, "must be positive, or the optimum need not exist")
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((num_nodes, examples, dim))
    teachers = rng.standard_normal(dim) + spread * rng.standard_normal((num_nodes, dim)) / np.sqrt(dim)
    margin = np.einsum("nmd,nd->nm", x, teachers)
    y = (rng.random(margin.shape) < 1 / (1 + np.exp(-margin))).astype(float)
    optimum = _newton(x.reshape(-1, dim), y.reshape(-1), ridge)
    margin = x @ optimum
    residual = 1 / (1 + np.exp(-margin)) - y
    gradients = np.einsum("nm,nmd->nd", residual, x) / examples + ridge * optimum
    minimum = (np.logaddexp(0, margin) - y * margin).mean() + 0.5 * ridge * optimum @ optimum
    dtype = jnp.result_type(float)
    return Logistic(
        x=jnp.asarray(x, dtype),
        y=jnp.asarray(y, dtype),
        optimum=jnp.asarray(optimum, dtype),
        minimum=jnp.asarray(minimum, dtype),
        heterogeneity=jnp.asarray(np.square(gradients).sum(1).mean(), dtype),
        ridge=as_real(ridge),
        batch_size=batch_size,
    )


def _newton(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """The minimiser of the goal: damped Newton steps, which cannot fail on a strongly convex function."""

    def goal(theta: np.ndarray) -> float:
        margin = x @ theta
        return float((np.logaddexp(0, margin) - y * margin).mean() + 0.5 * ridge * theta @ theta)

    theta = np.zeros(x.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-(x @ theta)))
        gradient = x.T @ (p - y) / len(y) + ridge * theta
        hessian = (x * (p * (1 - p))[:, None]).T @ x / len(y) + ridge * np.eye(len(theta))
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step < 1e-28:
            break
        size = 1.0
        while goal(theta - size * step) > goal(theta) and size > 1e-6:
            size /= 2
        theta = theta - size * step
    return theta
