"""Weights in proportion to stake."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ghostjax._border import shown
from ghostjax._types import as_real, concrete, real_field, require
from ghostjax.identity._base import AbstractStatelessIdentity


class Stake(AbstractStatelessIdentity):
    """Identity i counts for its stake in units of the mean stake of all registered identities.

        w_i <- w_i * stake_i / (sum_j stake_j / n)

    The mean is over all identities, present or not. So an identity that leaves does not change the weights of others,
    and a rule's `f` stays a number of ordinary identities. A principal that splits its stake over k identities keeps
    its total weight, if the number of registered identities does not change.

    **Traced:** `stake [n]`. **State:** none. **Errors:** negative or infinite stakes, no stake at all.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.identity.Stake([1.0, 1.0, 2.0, 4.0]).weigh((), jnp.ones(4)).tolist()
    [0.5, 0.5, 1.0, 2.0]

    ```
    """

    stake: Float[Array, " n"] = real_field(low=0)

    def __init__(self, stake: Any):
        self.stake = as_real(stake)
        require(self.stake.ndim == 1 and self.stake.size > 0, "Stake", "stake", shown(stake), "give one number each")
        if concrete(self.stake):
            require(np.asarray(self.stake).sum() > 0, "Stake", "stake", shown(stake), "somebody needs a stake")

    def weigh(self, state: PyTree, w: Float[Array, " n"]) -> Float[Array, " n"]:
        del state
        require(self.stake.shape == w.shape, "Stake", "stake", f"{self.stake.size} of them", f"give {w.size}, one each")
        stake = self.stake.astype(w.dtype)
        # Divided by the largest first: a sum of stakes may leave the range of floats.
        stake = stake / stake.max()
        return w * (stake / jnp.mean(stake))
