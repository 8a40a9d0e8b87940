"""A signal beside the same signal in honest runs."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._border import shown
from ghostjax._types import as_real, concrete, real_field, require
from ghostjax.detectors._base import AbstractReference


class HonestRuns(AbstractReference):
    """Deviations from the mean of honest runs at the same age, in their standard deviations.

        z_a = clip((x - mean_a) / max(std_a, floor), -limit, limit),    a the rounds behind the present model

    `signals [runs, ages, *s]` are recorded in honest runs of the same setting; beyond their last age the last one
    holds. It compares from the first round on, and an attacker who is present from then on cannot train it. It does
    not know by how much runs differ persistently, by initial models and partitions: an element that is always high
    looks accused, and a mean of few runs is uncertain itself, by `std / sqrt(runs)`.

    **Traced:** the tables, `floor`, `limit`. **State:** none. **Errors:** fewer than two runs, numbers that are not
    finite, a signal of another shape.

    ```python
    >>> import numpy as np, jax.numpy as jnp, ghostjax as gj
    >>> past = gj.detectors.HonestRuns(np.array([[1.0, 1.0], [3.0, 3.0]]))
    >>> round(float(past.step((), jnp.asarray(4.0), jnp.asarray(0))[1]), 3)
    1.414

    ```
    """

    mean: Float[Array, "a *s"] = real_field()
    std: Float[Array, "a *s"] = real_field(low=0)
    floor: Float[Array, ""] = real_field(default=1e-6, low=0)
    limit: Float[Array, ""] = real_field(default=float("inf"), low=0, inf=True)

    def __init__(self, signals: Any, *, floor: Any = 1e-6, limit: Any = float("inf")):
        if concrete(signals):
            values = np.asarray(signals)
            fits = values.dtype.kind in "fiu" and values.ndim >= 2 and values.shape[0] >= 2 and values.shape[1] >= 1
            remedy = "give the signals of two honest runs or more, [runs, ages, ...]"
            require(fits, "HonestRuns", "signals", shown(signals), remedy)
            whole = bool(np.isfinite(values).all())
            require(whole, "HonestRuns", "signals", shown(signals), "some numbers in them are not finite")
            values = values.astype(np.float64)
            mean, std = values.mean(0), values.std(0, ddof=1)
        else:
            mean, std = jnp.mean(signals, 0), jnp.std(signals, 0, ddof=1)
        self.mean, self.std, self.floor, self.limit = as_real(mean), as_real(std), floor, limit

    def init(self, like: Any) -> PyTree:
        shape = self.mean.shape[1:]
        remedy = f"the signals of its honest runs have shape {shape}"
        require(shape == like.shape, "HonestRuns", "signals", f"a signal of shape {like.shape}", remedy)
        return ()

    def step(self, state: PyTree, x: Float[Array, "*s"], age: Int[Array, ""]) -> tuple[PyTree, Float[Array, "*s"]]:
        at = jnp.clip(age, 0, self.mean.shape[0] - 1)
        z = (x - self.mean[at].astype(x.dtype)) / jnp.maximum(self.std[at], self.floor).astype(x.dtype)
        limit = self.limit.astype(x.dtype)
        return state, jnp.clip(z, -limit, limit)
