"""Identity layers: the weight of each identity, from knowledge before the round; one per file."""

from ghostjax.identity._base import (
    AbstractIdentity as AbstractIdentity,
    AbstractStatelessIdentity as AbstractStatelessIdentity,
)
from ghostjax.identity._splitting import split_gain as split_gain
from ghostjax.identity._staked import AbstractStaked as AbstractStaked
from ghostjax.identity.age import Age as Age
from ghostjax.identity.capped import Capped as Capped
from ghostjax.identity.equal import Equal as Equal
from ghostjax.identity.reputation import Reputation as Reputation
from ghostjax.identity.square_root import SquareRoot as SquareRoot
from ghostjax.identity.stake import Stake as Stake
