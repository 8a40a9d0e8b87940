"""The worst-served honest node."""

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._kernels import weighted_mean
from ghostjax._output import GOAL
from ghostjax._round import Round
from ghostjax.metrics._base import AbstractMetric, Output, present_rows


class WorstNode(AbstractMetric):
    """The goal at the worst-served honest node: an average hides the node that pays for the robustness of the others.

    In gossip every honest node has its own model, and the stated goal is evaluated at each:

        worst_loss = max_H loss(x_i)    worst_accuracy = min_H accuracy(x_i)
        node_loss = mean_H loss(x_i)    node_accuracy = mean_H accuracy(x_i)

    At a server all nodes share one model, and the stated goal is one number. Nodes then differ in how well the model
    fits *their* data: `worst_loss` is the largest local loss of an honest node (on this round's batch, at the model
    before the round), and `node_loss` is their mean. There is no local accuracy. Only honest nodes with weight count.
    The entries are nan if there is none, or if a loss is nan.

    Entries of the goal without a direction that is better have no worst node and are left out. In gossip it costs n
    evaluations.
    """

    of_goal: ClassVar[tuple[str, ...]] = ("worst_", "node_")

    def __call__(self, round: Round) -> dict[str, Array]:
        if round.shared:
            return self._summary(round, {"loss": round.losses}, {"loss": Output(better="lower")})
        each = jax.lax.map(round.evaluate, present_rows(round.next_models, round.honest))
        return self._summary(round, each, getattr(round.task, "outputs", GOAL))

    def _summary(self, round: Round, values: dict[str, Array], known: Mapping[str, Output]) -> dict[str, Array]:
        here = round.honest > 0
        found: dict[str, Array] = {}
        for name, each in values.items():
            better = known[name].better if name in known else None
            if better is None:
                continue
            worst, fill = (jnp.max, -jnp.inf) if better == "lower" else (jnp.min, jnp.inf)
            extreme = worst(jnp.where(here, each, fill))
            average = weighted_mean(present_rows(each, round.honest)[:, None], round.honest)[0]
            found[f"worst_{name}"] = jnp.where(here.any(), extreme, jnp.nan)
            found[f"node_{name}"] = jnp.where(here.any(), average, jnp.nan)
        return found
