"""The coordinate-wise median."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax.aggregators._base import AbstractCoordinateRule


class Median(AbstractCoordinateRule):
    """The median of each coordinate.

        y_k = (lower_k + upper_k) / 2

    with lower (upper) the smallest value whose cumulated weight is at least (more than) `W / 2`: the midpoint of the two
    middle values for an even number of equal weights.

    **Guarantee:** while the Byzantine mass is below `W / 2` each coordinate lies in the range of the honest values, and
    for every f the rule is (f, 4 (1 + r)^2)-robust with `r = f / (W - 2 f)`; it does not know f and claims no
    coefficient. **Traced:** the weights.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.Median()(jnp.array([[0.0], [1.0], [2.0], [9.0]]))
    Array([1.5], dtype=float32)

    ```

    Source: Yin et al., Byzantine-Robust Distributed Learning, arXiv:1803.01498; the constant: Allouah et
    al., arXiv:2302.01772.
    """

    certificate_kind: ClassVar[Literal["unconditional", "conditional", "none"]] = "conditional"

    def trim(self, total: Float[Array, "..."]) -> Float[Array, "..."]:
        return total / 2

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return w.sum()

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # Monotone in every entry, so the worst are the ends: and below half of the mass the ends of the others' range
        # do as well as infinity.
        others = jnp.where(principal, 0, w)
        mass = jnp.where(principal, w, 0).sum()
        top = jnp.where((others > 0)[:, None], x, -jnp.inf).max(0)
        bottom = jnp.where((others > 0)[:, None], x, jnp.inf).min(0)
        width = self._value(x, w, principal, top) - self._value(x, w, principal, bottom)
        return jnp.where(2 * mass < w.sum(), jnp.linalg.norm(width), jnp.inf)

    def _value(self, x, w, principal, end):
        return self(jnp.where(principal[:, None], end[None, :], x), w)
