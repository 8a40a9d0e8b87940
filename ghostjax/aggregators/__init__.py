"""Aggregation rules: `rule(x, w) -> y`, one per file."""

from ghostjax.aggregators._base import (
    AbstractAggregator as AbstractAggregator,
    AbstractCoordinateRule as AbstractCoordinateRule,
    AbstractGeometricRule as AbstractGeometricRule,
    Context as Context,
)
from ghostjax.aggregators.mean import Mean as Mean
from ghostjax.aggregators.trimmed_mean import TrimmedMean as TrimmedMean
