"""The distance between the honest nodes."""

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Array

from ghostjax._round import Round, Seen
from ghostjax.metrics._base import AbstractMetric, mean_and_variance, Output


class Consensus(AbstractMetric):
    """The mean squared distance of honest nodes to their mean.

        mean_H ||x_i - mean_H x||^2

    In gossip, `consensus_distance` is that of the models at the end of the round. At a server there is one model, hence
    consensus; there `message_spread` is that of the messages. Both are squared. Means are weighted by the nodes'
    weights.
    """

    outputs: ClassVar[Mapping[str, Output]] = {
        "message_spread": Output(long_name="mean squared distance of honest messages to their mean"),
        "consensus_distance": Output(long_name="mean squared distance of honest models to their mean", better="lower"),
    }

    def __call__(self, round: Round | Seen) -> dict[str, Array]:
        if round.shared:
            return {"message_spread": mean_and_variance(round.messages, round.judged)[1]}
        return {"consensus_distance": mean_and_variance(round.next_models, round.judged)[1]}
