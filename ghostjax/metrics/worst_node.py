"""The worst-served honest node."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._kernels import weighted_mean
from ghostjax._round import Round
from ghostjax._types import static_field
from ghostjax.metrics._base import AbstractMetric, occasionally, only


class WorstNode(AbstractMetric):
    """How the worst-served honest node fares: an average hides the node that robustness was paid with.

    In gossip every honest node has a model of its own, and the stated goal is evaluated at each:

        worst_loss = max_H loss(x_i)    worst_accuracy = min_H accuracy(x_i)
        node_loss = mean_H loss(x_i)    node_accuracy = mean_H accuracy(x_i)

    At a server all nodes share one model, for which the stated goal is one number; nodes then differ in how
    well it fits *their* data, so `worst_loss` is the largest local loss of an honest node (on this round's
    batch, at the model that the round started from) and `node_loss` their mean; there is no local accuracy.
    Only honest nodes with weight count; nan where there is none, and where a loss is.

    Recorded in the first round and each `every`-th one, nan between. In gossip it costs n evaluations.
    **Static:** `every`.
    """

    every: int = static_field(default=1)

    def __call__(self, round: Round) -> dict[str, Array]:
        def now() -> dict[str, Array]:
            if round.shared:
                return self._summary(round, {"loss": round.losses})
            return self._summary(round, jax.lax.map(round.evaluate, only(round.next_models, round.honest)))

        return occasionally(self.every, round, now)

    def _summary(self, round: Round, values: dict[str, Array]) -> dict[str, Array]:
        here = round.honest > 0
        found: dict[str, Array] = {}
        for name, worst, fill in (("loss", jnp.max, -jnp.inf), ("accuracy", jnp.min, jnp.inf)):
            if name in values:
                each = values[name]
                extreme = worst(jnp.where(here, each, fill))
                average = weighted_mean(only(each, round.honest)[:, None], round.honest)[0]
                found[f"worst_{name}"] = jnp.where(here.any(), extreme, jnp.nan)
                found[f"node_{name}"] = jnp.where(here.any(), average, jnp.nan)
        return found
