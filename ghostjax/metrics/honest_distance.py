"""The distance of the aggregate to the mean of the honest messages."""

from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from ghostjax._kernels import weighted_mean
from ghostjax._round import Round
from ghostjax.metrics._base import AbstractMetric, mean_and_variance, Output, present_rows


class HonestDistance(AbstractMetric):
    """The distance of the result to the honest mean, beside the bound that the rule guarantees.

        honest_distance = ||y - mean_H x||,    honest_sigma^2 = mean_H ||x_i - mean_H x||^2
        honest_bound    = sqrt(kappa) * honest_sigma

    `kappa` is the rule's robustness coefficient at this round's weights. While the Byzantine mass is at most the mass
    that the rule assumes, the distance stays below the bound. The bound is inf if more is present, or if the rule has
    no guarantee (the mean).

    In gossip y is the mean of the honest results, so the distance is the move of the honest mean in one exchange. It is
    0 for symmetric mixing, and positive for clipping or trimming even without an adversary. Each receiver is bounded by
    the spread of its own neighbours, which differs from the spread of all nodes. There is no common bound, and
    `honest_bound` is inf. Means are weighted by the nodes' weights.
    """

    outputs: ClassVar[Mapping[str, Output]] = {
        "honest_distance": Output(long_name="distance of the result to the honest mean", better="lower"),
        "honest_sigma": Output(long_name="spread of honest messages"),
        "honest_bound": Output(long_name="distance that the rule guarantees", better="lower"),
    }

    def __call__(self, round: Round) -> dict[str, Array]:
        honest = round.honest
        mean, squares = mean_and_variance(round.messages, honest)
        sigma = jnp.sqrt(squares)
        if round.shared:
            y = round.result
            # inf * 0 would be nan. A rule without a guarantee has the bound inf for every spread.
            finite = jnp.isfinite(round.kappa) & (round.outnumbered == 0)
            root = jnp.sqrt(jnp.where(finite, round.kappa, 0)).astype(sigma.dtype)
            bound = jnp.where(finite, root * sigma, jnp.inf)
        else:
            y = weighted_mean(present_rows(round.result, honest), honest)
            bound = jnp.full_like(sigma, jnp.inf)
        return {"honest_distance": jnp.linalg.norm(y - mean), "honest_sigma": sigma, "honest_bound": bound}
