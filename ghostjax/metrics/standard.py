"""The metrics that a report is made of."""

from typing import Any

from ghostjax.metrics._base import AbstractMetric
from ghostjax.metrics.consensus import Consensus
from ghostjax.metrics.dissimilarity import Dissimilarity
from ghostjax.metrics.drift import Drift
from ghostjax.metrics.goal import Goal
from ghostjax.metrics.honest_distance import HonestDistance
from ghostjax.metrics.influence import Influence
from ghostjax.metrics.training_loss import TrainingLoss
from ghostjax.metrics.worst_node import WorstNode


def standard(every: int = 1, *, direction: Any = None) -> tuple[AbstractMetric, ...]:
    """All metrics of this folder; those that evaluate or differentiate do so in each `every`-th round.

    `direction` is the audit direction of `Drift`.
    """
    return (
        Goal(every),
        WorstNode(every),
        TrainingLoss(),
        Consensus(),
        Dissimilarity(),
        HonestDistance(),
        Drift(direction, every=every),
        Influence(every),
    )
