"""One vote for each identity."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax.identity._base import AbstractStatelessIdentity


class Equal(AbstractStatelessIdentity):
    """Every identity counts 1 while it is present.

        w_i <- w_i

    It computes what no identity layer computes, and has a name for sweeps and tables.

    **Guarantee:** none against splitting. A principal with k identities counts for k.

    **Traced:** nothing. **State:** none.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.identity.Equal().weigh((), jnp.array([1.0, 0.0, 1.0])).tolist()
    [1.0, 0.0, 1.0]

    ```
    """

    def phi(self, stake: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """1 for whoever has a stake at all."""
        return jnp.where(stake > 0, jnp.ones_like(stake), 0)

    def weigh(self, state: PyTree, w: Float[Array, " n"]) -> Float[Array, " n"]:
        del state
        return w
