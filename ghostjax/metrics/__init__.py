"""Metrics: `metric(round) -> {name: array}`, one per file."""

from ghostjax.metrics._base import AbstractMetric as AbstractMetric, Output as Output
from ghostjax.metrics.audit import Audit as Audit
from ghostjax.metrics.charter import Charter as Charter
from ghostjax.metrics.committed import Committed as Committed
from ghostjax.metrics.consensus import Consensus as Consensus
from ghostjax.metrics.cut_weight import CutWeight as CutWeight
from ghostjax.metrics.deviation import Deviation as Deviation
from ghostjax.metrics.digest import Digest as Digest
from ghostjax.metrics.dissimilarity import (
    Dissimilarity as Dissimilarity,
    DissimilarityFit as DissimilarityFit,
    fit_dissimilarity as fit_dissimilarity,
)
from ghostjax.metrics.drift import cumulative as cumulative, Drift as Drift
from ghostjax.metrics.every import Every as Every
from ghostjax.metrics.goal import Goal as Goal
from ghostjax.metrics.honest_distance import HonestDistance as HonestDistance
from ghostjax.metrics.influence import Influence as Influence
from ghostjax.metrics.principal_influence import PrincipalInfluence as PrincipalInfluence
from ghostjax.metrics.standard import standard as standard
from ghostjax.metrics.training_loss import TrainingLoss as TrainingLoss
from ghostjax.metrics.worst_node import WorstNode as WorstNode
