"""The brightness of an input must not matter."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._border import number
from ghostjax._types import require, static_field
from ghostjax.charters._base import AbstractInvariance, listed


class Dimmed(AbstractInvariance):
    """The label must not change when an input is multiplied by one of `factors`.

        probes_f = mean loss(factors[f] x, y)

    **Static:** `factors`. **Errors:** no factor, a factor that is not a number.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.charters.Dimmed([0.5]).changed(jnp.ones((1, 2))).tolist()
    [[[0.5, 0.5]]]

    ```
    """

    factors: tuple[float, ...] = static_field(default=(0.5, 0.75), converter=listed)

    def __check_init__(self):
        require(len(self.factors) > 0, "Dimmed", "factors", "none", "give at least one")
        for factor in self.factors:
            number(factor, "Dimmed", "factors", low=0)

    @property
    def num_families(self) -> int:
        return len(self.factors)

    def changed(self, x: Array) -> Float[Array, "f N ..."]:
        return jnp.asarray(self.factors, x.dtype).reshape(-1, *(1,) * x.ndim) * x[None]
