"""Weights in proportion to stake up to a cap."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._types import real_field
from ghostjax.identity._base import above_zero
from ghostjax.identity._staked import AbstractStaked, stakes


class Capped(AbstractStaked):
    """Identity i counts for its stake, but for no more than `cap` of it.

        w_i <- w_i min(stake_i, cap) / (sum_j min(stake_j, cap) / n)

    The mean is over all identities, present or not. The stake beyond the cap counts for nobody. The rescaling to a mean
    of 1 then raises all weights by one factor.

    **Guarantee:** one identity counts for at most `cap / mean_j min(stake_j, cap)`. A principal does not: by splitting
    its stake s over k identities it counts for `min(k, s / cap)` times as much where s exceeds the cap, so a cap binds
    only where identities cannot be bought.

    **Traced:** `stake [n]` and `cap`, both in the same unit. **State:** none. **Errors:** negative or infinite stakes,
    no stake at all, a cap of 0.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.identity.Capped([1.0, 1.0, 2.0, 4.0], cap=2.0).weigh((), 3 * jnp.ones(4)).tolist()
    [2.0, 2.0, 4.0, 4.0]

    ```
    """

    stake: Float[Array, " n"] = real_field(low=0)
    cap: Float[Array, ""] = real_field(low=0)

    def __init__(self, stake: Any, cap: Any):
        self.stake, self.cap = stakes(stake, "Capped"), cap

    def __check_init__(self):
        above_zero(self, "cap")

    def phi(self, stake: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """The stake up to the cap."""
        return jnp.minimum(stake, self.cap.astype(stake.dtype))
