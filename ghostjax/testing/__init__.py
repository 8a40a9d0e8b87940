"""The checks that every member of a family must pass, also for a user's members."""

from ghostjax.testing._aggregators import check_aggregator as check_aggregator
from ghostjax.testing._attacks import check_attack as check_attack
from ghostjax.testing._channels import check_channel as check_channel
from ghostjax.testing._detectors import check_detector as check_detector, check_test as check_test
from ghostjax.testing._electorates import check_electorate as check_electorate
from ghostjax.testing._governance import check_governance as check_governance
from ghostjax.testing._identities import check_identity as check_identity
