"""Quadratic objectives: optimum, heterogeneity and gradients are known in closed form."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ghostjax._border import choice, number, whole
from ghostjax._types import Key, real_field, require
from ghostjax.tasks._base import AbstractTask
from ghostjax.tasks._splits import NAMES, Split, Splits


class QuadraticBatch(NamedTuple):
    """A node's objective and this draw of its gradient noise."""

    curvature: Float[Array, "*n d"]
    centre: Float[Array, "*n d"]
    noise: Float[Array, "*n d"]


class Quadratic(AbstractTask):
    """Nodes with diagonal quadratic objectives; made by `quadratic`.

        f_i(theta) = 1/2 sum_k a_ik (theta_k - c_ik)^2,   c_i = optimum - sqrt(heterogeneity) u_i / a_i
        goal(theta) = mean_i f_i(theta)

    with `sum_i u_i = 0` and `mean_i ||u_i||^2 = 1`, so `optimum` minimises the goal and
    `mean_i ||grad f_i - grad goal||^2 = heterogeneity` there, exactly. Each draw adds an independent normal vector of
    expected squared norm `noise^2` to the gradient. `evaluate` reports `loss`, the goal above its minimum, and
    `distance` to the optimum. Both are exact, so equal on every split. Models start at zero.

    **Traced:** `heterogeneity`, `noise`, every array. **Static:** nothing.
    """

    curvature: Float[Array, "n d"]
    directions: Float[Array, "n d"]
    optimum: Float[Array, " d"]
    heterogeneity: Float[Array, ""] = real_field(default=1.0, low=0)
    noise: Float[Array, ""] = real_field(default=0.0, low=0)

    @property
    def num_nodes(self) -> int:
        return self.curvature.shape[0]

    @property
    def centres(self) -> Float[Array, "n d"]:
        """Each node's own optimum c_i."""
        root = jnp.sqrt(self.heterogeneity).astype(self.optimum.dtype)
        return self.optimum[None, :] - root * self.directions / self.curvature

    def gradients(self, theta: Float[Array, " d"]) -> Float[Array, "n d"]:
        """The exact gradient of every node's objective at `theta`."""
        return self.curvature * (theta[None, :] - self.centres)

    def init(self, key: Key) -> PyTree:
        del key
        return jnp.zeros_like(self.optimum)

    def sample(self, key: Key) -> QuadraticBatch:
        n, d = self.curvature.shape
        noise = self.noise.astype(self.curvature.dtype) / d**0.5
        drawn = noise * jax.random.normal(key, (n, d), self.curvature.dtype)
        return QuadraticBatch(self.curvature, self.centres, drawn)

    def loss(self, params: PyTree, batch: QuadraticBatch, key: Key) -> Float[Array, ""]:
        del key
        away = params - batch.centre
        return 0.5 * (batch.curvature * away * away).sum() + (batch.noise * params).sum()

    @property
    def splits(self) -> Splits:
        return Splits(note="no examples: the goal is the exact mean of the nodes' objectives")

    def evaluate(self, params: PyTree, split: Split = "validation") -> dict[str, Float[Array, ""]]:
        choice(split, NAMES, "Quadratic.evaluate", "split")
        away = params - self.optimum
        mean = jnp.full(self.num_nodes, 1 / self.num_nodes, self.curvature.dtype) @ self.curvature
        return {"loss": 0.5 * (mean * away * away).sum(), "distance": jnp.linalg.norm(away)}


def quadratic(
    num_nodes: int,
    dim: int = 10,
    *,
    heterogeneity: Any = 1.0,
    condition: float = 10.0,
    spread: float = 0.0,
    noise: Any = 0.0,
    radius: float = 1.0,
    seed: int = 0,
) -> Quadratic:
    """A `Quadratic` task with the given heterogeneity zeta^2, condition number, noise and distance to the optimum.

    The goal's curvatures fall geometrically from 1 to 1/`condition`. With `spread` s nodes differ in curvature too,
    `a_ik = a_k (1 + s e_ik)` with `|e_ik| <= 1` and mean zero over nodes. The optimum lies at distance `radius`
    from the start. Errors: a single node with heterogeneity.

    ```python
    >>> import jax.numpy as jnp
    >>> from ghostjax.tasks import quadratic
    >>> task = quadratic(8, 5, heterogeneity=4.0)
    >>> float(jnp.square(task.gradients(task.optimum)).sum(1).mean().round(4))
    4.0

    ```
    """
    call = "quadratic"
    num_nodes, dim = whole(num_nodes, call, "num_nodes", low=1), whole(dim, call, "dim", low=1)
    whole(seed, call, "seed", low=0)
    number(condition, call, "condition", low=1)
    number(radius, call, "radius", low=0)
    require(
        number(spread, call, "spread", 0) < 1,
        call,
        "spread",
        spread,
        "must lie in [0, 1), so that objectives stay convex",
    )
    number(heterogeneity, call, "heterogeneity", low=0)
    require(
        num_nodes > 1 or not np.any(np.asarray(heterogeneity) > 0),
        call,
        "heterogeneity",
        heterogeneity,
        "one node cannot differ from the mean; use 0 or more nodes",
    )
    rng = np.random.default_rng(seed)
    mean = condition ** -np.linspace(0, 1, dim) if dim > 1 else np.ones(1)
    # Half of a uniform matrix centred over nodes stays within [-1, 1].
    offsets = rng.uniform(-0.5, 0.5, (num_nodes, dim))
    curvature = mean * (1 + spread * (offsets - offsets.mean(0)))
    directions = rng.standard_normal((num_nodes, dim))
    directions -= directions.mean(0)
    size = np.sqrt(np.square(directions).sum(1).mean())
    directions /= size if size > 0 else 1
    optimum = rng.standard_normal(dim)
    optimum *= radius / np.linalg.norm(optimum)
    dtype = jnp.result_type(float)
    arrays = (jnp.asarray(values, dtype) for values in (curvature, directions, optimum))
    return Quadratic(*arrays, heterogeneity=heterogeneity, noise=noise)
