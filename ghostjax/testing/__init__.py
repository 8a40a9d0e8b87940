"""The checks that every rule must pass, for your own rules too."""

from ghostjax.testing._aggregators import check_aggregator as check_aggregator
from ghostjax.testing._attacks import check_attack as check_attack
