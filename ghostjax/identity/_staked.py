"""Weights as a function of stake: the part that all such layers share."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ghostjax._border import shown
from ghostjax._types import as_real, concrete, require
from ghostjax.identity._base import AbstractStatelessIdentity


class AbstractStaked(AbstractStatelessIdentity):
    """Identity i counts for a function of its stake, in units of its mean over all registered identities.

        w_i <- w_i phi(stake_i) / (sum_j phi(stake_j) / n)

    The mean is over all identities, present or not. So an identity that leaves does not change the weights of others,
    and a rule's `f` stays a number of ordinary identities.
    """

    stake: eqx.AbstractVar[Float[Array, " n"]]

    @abstractmethod
    def phi(self, stake: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """What a stake counts for, before weights are rescaled to a mean of 1."""

    def weigh(self, state: PyTree, w: Float[Array, " n"]) -> Float[Array, " n"]:
        """The weights of this round, from the presence `w` in it."""
        del state
        size, call = self.stake.size, type(self).__name__
        require(self.stake.shape == w.shape, call, "stake", f"{size} of them", f"give {w.size}, one each")
        counts = self.phi(self.stake.astype(w.dtype))
        # Divided by the largest first: a sum of stakes may leave the range of floats.
        counts = counts / counts.max()
        return w * (counts / jnp.mean(counts))


def stakes(stake: Any, call: str) -> Array:
    """`stake` as a leaf, if it is a number for each identity and somebody has one."""
    found = as_real(stake)
    require(found.ndim == 1 and found.size > 0, call, "stake", shown(stake), "give one number each")
    if concrete(found):
        require(not np.asarray(found).sum() <= 0, call, "stake", shown(stake), "somebody needs a stake")
    return found
