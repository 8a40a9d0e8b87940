"""A learner: gradients clipped by every node."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

import ghostjax as gj
from ghostjax.learners import AbstractLearner, Objective


class Clipped(AbstractLearner):
    """Sends one stochastic gradient, scaled down to norm `radius` at most. **Traced:** `radius`. **State:** none."""

    radius: Float[Array, ""] = gj.ops.real_field(default=1.0, low=0)

    def init(self, like: Any) -> tuple:
        return ()

    def learn(
        self, state: tuple, models: Float[Array, "*n d"], objective: Objective
    ) -> tuple[tuple, Float[Array, "n d"], Float[Array, " n"]]:
        losses, gradients = objective(models, 0)
        radius = self.radius.astype(gradients.dtype)
        share = jnp.minimum(1, gj.ops.safe_divide(radius, gj.ops.row_norms(gradients)))
        return state, share[:, None] * gradients, losses
