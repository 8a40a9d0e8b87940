"""Guarantees: promises about the result of a rule, as objects that rules and wrappers compose."""

from ghostjax.aggregators.guarantees._base import (
    AbstractConditional as AbstractConditional,
    AbstractGuarantee as AbstractGuarantee,
    Kind as Kind,
)
from ghostjax.aggregators.guarantees._constants import (
    krum_kappa as krum_kappa,
    median_kappa as median_kappa,
    trimmed_mean_kappa as trimmed_mean_kappa,
)
from ghostjax.aggregators.guarantees.adaptively_clipped import AdaptivelyClipped as AdaptivelyClipped
from ghostjax.aggregators.guarantees.buckets import Buckets as Buckets
from ghostjax.aggregators.guarantees.clipped import Clipped as Clipped
from ghostjax.aggregators.guarantees.clipped_steps import ClippedSteps as ClippedSteps
from ghostjax.aggregators.guarantees.linear import Linear as Linear
from ghostjax.aggregators.guarantees.mass import Mass as Mass
from ghostjax.aggregators.guarantees.mixed import Mixed as Mixed
from ghostjax.aggregators.guarantees.none import NoGuarantee as NoGuarantee
from ghostjax.aggregators.guarantees.robust import Robust as Robust
from ghostjax.aggregators.guarantees.smallest_scores import SmallestScores as SmallestScores
from ghostjax.aggregators.guarantees.spatial_median import SpatialMedian as SpatialMedian
from ghostjax.aggregators.guarantees.window import Window as Window
