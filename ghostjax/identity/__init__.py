"""Who counts, and how much, by what is known before a round: one object per file."""

from ghostjax.identity._base import (
    AbstractIdentity as AbstractIdentity,
    AbstractStatelessIdentity as AbstractStatelessIdentity,
)
from ghostjax.identity.stake import Stake as Stake
