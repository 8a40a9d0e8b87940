"""The metrics of a report."""

from typing import Any

from ghostjax.metrics._base import AbstractMetric
from ghostjax.metrics.consensus import Consensus
from ghostjax.metrics.dissimilarity import Dissimilarity
from ghostjax.metrics.drift import Drift
from ghostjax.metrics.every import Every
from ghostjax.metrics.goal import Goal
from ghostjax.metrics.honest_distance import HonestDistance
from ghostjax.metrics.influence import Influence
from ghostjax.metrics.training_loss import TrainingLoss
from ghostjax.metrics.worst_node import WorstNode


def standard(every: int = 1, *, direction: Any = None) -> tuple[AbstractMetric, ...]:
    """All metrics of this folder. Metrics that evaluate or differentiate are due in each `every`-th round.

    `direction` is the audit direction of `Drift`.
    """

    def now_and_then(metric: AbstractMetric) -> AbstractMetric:
        return metric if every == 1 else Every(every, metric)

    return (
        now_and_then(Goal()),
        now_and_then(WorstNode()),
        TrainingLoss(),
        Consensus(),
        Dissimilarity(),
        HonestDistance(),
        now_and_then(Drift(direction)),
        now_and_then(Influence()),
    )
