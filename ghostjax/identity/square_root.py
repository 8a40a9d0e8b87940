"""Weights in proportion to the square root of stake."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._types import real_field
from ghostjax.identity._staked import AbstractStaked, stakes


class SquareRoot(AbstractStaked):
    """Identity i counts for the square root of its stake, as in quadratic voting.

        w_i <- w_i sqrt(stake_i) / (sum_j sqrt(stake_j) / n)

    The mean is over all identities, present or not. Four times the stake counts twice.

    **Guarantee:** none against splitting. A principal that splits its stake over k identities counts for sqrt(k) times
    as much, without bound in k.

    **Traced:** `stake [n]`, in any unit. **State:** none. **Errors:** negative or infinite stakes, no stake at all.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.identity.SquareRoot([0.0, 1.0, 4.0, 1.0]).weigh((), jnp.ones(4)).tolist()
    [0.0, 1.0, 2.0, 1.0]

    ```

    Source: Buterin, Hitzig and Weyl, A Flexible Design for Funding Public Goods, arXiv:1809.06421.
    """

    stake: Float[Array, " n"] = real_field(low=0)

    def __init__(self, stake: Any):
        self.stake = stakes(stake, "SquareRoot")

    def phi(self, stake: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """The square root, with derivative 0 instead of inf at 0."""
        positive = stake > 0
        return jnp.where(positive, jnp.sqrt(jnp.where(positive, stake, 1)), 0)
