"""One gradient a round, averaged over time by every node."""

from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._types import concrete, real_field, require, static_field
from ghostjax.learners._base import AbstractLearner, Objective


class Momentum(AbstractLearner):
    """Sends one stochastic gradient, or each node's running momentum of it.

        m <- beta m + (1 - beta) g    (`convention="average"`)
        m <- beta m + g               (`convention="sum"`; 1 / (1 - beta) times larger in the long run)

    **Traced:** `beta` (0 sends the plain gradient). **Static:** `convention`. Learning rates, clipping radii
    and thresholds rescale between the two conventions. **State:** m, `[n, d]`.

    Source: Karimireddy et al., Learning from History for Byzantine Robust Optimization, arXiv:2012.10333.
    """

    beta: Float[Array, ""] = real_field(default=0.9, low=0)
    convention: Literal["average", "sum"] = static_field(default="average", choices=("average", "sum"))

    def __check_init__(self):
        if concrete(self.beta):
            require(
                (self.beta < 1).all(), "Momentum", "beta", self.beta,
                "must lie in [0, 1), so that old gradients fade",
            )  # fmt: skip

    def init(self, like: Any) -> PyTree:
        return jnp.zeros(like.shape, like.dtype)

    def learn(
        self, state: PyTree, models: Float[Array, "*n d"], objective: Objective
    ) -> tuple[PyTree, Float[Array, "n d"], Float[Array, " n"]]:
        losses, gradients = objective(models, 0)
        beta = self.beta.astype(gradients.dtype)
        scale = 1 - beta if self.convention == "average" else 1
        momentum = beta * state + scale * gradients
        return momentum, momentum, losses
