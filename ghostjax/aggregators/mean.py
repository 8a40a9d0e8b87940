"""The weighted mean."""

from typing import ClassVar

from jaxtyping import Array, Float

from ghostjax._kernels import shares
from ghostjax.aggregators._geometric import AbstractGeometricRule
from ghostjax.aggregators.guarantees import Linear


class Mean(AbstractGeometricRule):
    """The weighted mean of the messages: the rule without any defence.

        y = sum_i w_i x_i / sum_i w_i

    **Guarantee:** none. One identity can move the result anywhere; the breakdown point is 0.
    **Traced:** the weights. **Cost:** one read of the messages.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.Mean()(jnp.array([[0.0], [1.0], [8.0]]))
    Array([3.], dtype=float32)

    ```

    Source: McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data,
    arXiv:1602.05629.
    """

    uses_distances: ClassVar[bool] = False
    guarantee: ClassVar[Linear] = Linear()

    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        del dist2
        return shares(w)
