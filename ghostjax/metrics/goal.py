"""The stated goal: what the collective is for, on data that nobody trains on."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._kernels import weighted_mean
from ghostjax._round import Round
from ghostjax._types import static_field
from ghostjax.metrics._base import AbstractMetric


class Goal(AbstractMetric):
    """The stated goal (`loss`, `accuracy`, ...) at the shared model, or at the mean of honest models.

    Recorded every `every` rounds (nan between, and always in the first round). **Static:** `every`.
    """

    every: int = static_field(default=1)

    def __call__(self, round: Round) -> dict[str, Array]:
        def now() -> dict[str, Array]:
            theta = round.next_models if round.shared else weighted_mean(round.next_models, round.honest)
            return round.evaluate(theta)

        if self.every == 1:
            return now()
        blank = jax.tree.map(lambda s: jnp.full(s.shape, jnp.nan, s.dtype), jax.eval_shape(now))
        return jax.lax.cond(round.index % self.every == 0, now, lambda: blank)
