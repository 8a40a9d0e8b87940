"""Identity layers: the weight of each identity, from knowledge before the round; one per file."""

from ghostjax.identity._base import (
    AbstractIdentity as AbstractIdentity,
    AbstractStatelessIdentity as AbstractStatelessIdentity,
)
from ghostjax.identity.stake import Stake as Stake
