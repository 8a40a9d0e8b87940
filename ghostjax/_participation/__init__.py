"""Participation: how much every identity counts in every round.

Rules and attacks count identities (a weight of 1 is one present identity). Numbers in another unit (stake, examples)
are rescaled here, once. Random participation is drawn here, before the first round.
"""

from ghostjax._participation._base import AbstractParticipation as AbstractParticipation
from ghostjax._participation._weights import (
    as_given as as_given,
    declared as declared,
    Weights as Weights,
    weights_of as weights_of,
)
from ghostjax._participation.churn import Churn as Churn, churn as churn
from ghostjax._participation.sampled import Sampled as Sampled, sampled as sampled
from ghostjax._participation.splitting import Splitting as Splitting, splitting as splitting
from ghostjax._participation.stake import Counts as Counts, stake as stake
from ghostjax._participation.whitewashing import Whitewashing as Whitewashing, whitewashing as whitewashing
