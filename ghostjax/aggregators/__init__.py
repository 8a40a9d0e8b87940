"""Aggregation rules: `rule(x, w) -> y`, one per file."""

from ghostjax.aggregators._base import AbstractAggregator as AbstractAggregator, Context as Context
from ghostjax.aggregators._coordinate import AbstractCoordinateRule as AbstractCoordinateRule
from ghostjax.aggregators._geometric import AbstractGeometricRule as AbstractGeometricRule
from ghostjax.aggregators._outnumbered import outnumbered as outnumbered
from ghostjax.aggregators._units import in_range as in_range, in_units as in_units
from ghostjax.aggregators._wrapper import AbstractMixing as AbstractMixing, AbstractWrapper as AbstractWrapper
from ghostjax.aggregators.arc import ARC as ARC
from ghostjax.aggregators.bucketing import Bucketing as Bucketing
from ghostjax.aggregators.centered_clipping import CenteredClipping as CenteredClipping
from ghostjax.aggregators.clipping import Clipping as Clipping
from ghostjax.aggregators.geometric_median import GeometricMedian as GeometricMedian
from ghostjax.aggregators.guarantees import AbstractGuarantee as AbstractGuarantee, NoGuarantee as NoGuarantee
from ghostjax.aggregators.krum import Krum as Krum
from ghostjax.aggregators.mean import Mean as Mean
from ghostjax.aggregators.median import Median as Median
from ghostjax.aggregators.multi_krum import MultiKrum as MultiKrum
from ghostjax.aggregators.nnm import NNM as NNM
from ghostjax.aggregators.trimmed_mean import TrimmedMean as TrimmedMean
from ghostjax.aggregators.weiszfeld import Weiszfeld as Weiszfeld
