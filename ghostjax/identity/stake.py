"""Weights in proportion to stake."""

from typing import Any

from jaxtyping import Array, Float

from ghostjax._types import real_field
from ghostjax.identity._staked import AbstractStaked, stakes


class Stake(AbstractStaked):
    """Identity i counts for its stake in units of the mean stake of all registered identities.

        w_i <- w_i * stake_i / (sum_j stake_j / n)

    The mean is over all identities, present or not. So an identity that leaves does not change the weights of others,
    and a rule's `f` stays a number of ordinary identities.

    **Guarantee:** a principal that splits its stake over k identities keeps its share of the registered weight: the
    split gain is 1, and linear weights are the only ones for which it is.

    **Traced:** `stake [n]`, in any unit. **State:** none. **Errors:** negative or infinite stakes, no stake at all.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.identity.Stake([1.0, 1.0, 2.0, 4.0]).weigh((), jnp.ones(4)).tolist()
    [0.5, 0.5, 1.0, 2.0]

    ```
    """

    stake: Float[Array, " n"] = real_field(low=0)

    def __init__(self, stake: Any):
        self.stake = stakes(stake, "Stake")

    def phi(self, stake: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """The stake itself."""
        return stake
