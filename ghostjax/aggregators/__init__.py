"""Aggregation rules: `rule(x, w) -> y`, one per file."""

from ghostjax.aggregators._base import (
    AbstractAggregator as AbstractAggregator,
    AbstractCoordinateRule as AbstractCoordinateRule,
    AbstractGeometricRule as AbstractGeometricRule,
    Context as Context,
)
from ghostjax.aggregators._units import in_range as in_range, in_units as in_units
from ghostjax.aggregators._wrapper import (
    AbstractMixing as AbstractMixing,
    AbstractWrapper as AbstractWrapper,
    assumed_mass as assumed_mass,
    borne_mass as borne_mass,
    geometric_form as geometric_form,
    outnumbered as outnumbered,
)
from ghostjax.aggregators.arc import ARC as ARC
from ghostjax.aggregators.bucketing import Bucketing as Bucketing
from ghostjax.aggregators.centered_clipping import CenteredClipping as CenteredClipping
from ghostjax.aggregators.clipping import Clipping as Clipping
from ghostjax.aggregators.geometric_median import GeometricMedian as GeometricMedian
from ghostjax.aggregators.krum import Krum as Krum
from ghostjax.aggregators.mean import Mean as Mean
from ghostjax.aggregators.median import Median as Median
from ghostjax.aggregators.multi_krum import MultiKrum as MultiKrum
from ghostjax.aggregators.nnm import NNM as NNM
from ghostjax.aggregators.trimmed_mean import TrimmedMean as TrimmedMean
from ghostjax.aggregators.weiszfeld import Weiszfeld as Weiszfeld
