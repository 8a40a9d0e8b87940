"""Metrics: `metric(round) -> {name: array}`, one per file."""

from ghostjax.metrics._base import AbstractMetric as AbstractMetric
from ghostjax.metrics.goal import Goal as Goal
