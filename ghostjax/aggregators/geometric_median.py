"""The geometric median."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import in_sight, median_coefficients, squared_distances
from ghostjax._types import real_field, require, static_field
from ghostjax.aggregators._base import AbstractGeometricRule, Law


class GeometricMedian(AbstractGeometricRule):
    """The point with the smallest sum of distances to the messages, to convergence.

        y = argmin_z sum_i w_i h(||z - x_i||)

    with `h(r) = sqrt(r^2 + nu^2)` (`smoothing="sqrt"`), `h(r) = r` beyond nu and quadratic below (`"max"`, the fixed
    point of Weiszfeld's step with weights `w / max(nu, r)`), or `h(r) = r` (`"none"`). The truncated iterations of the
    literature are other rules, with other guarantees: see `Weiszfeld`.

    **Guarantee:** conditional. While a principal's weight share is a < 1/2 and the other messages lie in a ball of
    radius R about h, `||y - h|| <= R (1 - a) / sqrt(1 - 2 a)` (up to the smoothing nu). The exact median is
    (f, 4 (1 + r)^2)-robust with `r = f / (n - 2 f)` for every f, but the rule does not know f and claims no
    coefficient. In float32 a message 8e3 times as far as the nearest half of the mass is wide counts as absent (4e12
    times in float64): rounding hides where it is.
    **Traced:** `nu`, the weights. **Static:** `smoothing`. **Cost:** one Gram product; the iteration is in n numbers.
    **Derivative:** implicit, reverse mode only. **Lacks:** scale (for a fixed nu).

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> rule = gj.aggregators.GeometricMedian(smoothing="none")
    >>> rule(jnp.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [5.0, 1.0], [7.0, 2.0]]))
    Array([0., 0.], dtype=float32)

    ```

    Source: Chen et al., arXiv:1705.05491; Pillutla et al., Robust Aggregation for Federated Learning, arXiv:1912.13445.
    """

    nu: Float[Array, ""] = real_field(default=1e-3)
    smoothing: Literal["sqrt", "max", "none"] = static_field(default="sqrt")
    certificate_kind: ClassVar[Literal["unconditional", "conditional", "none"]] = "conditional"

    def __check_init__(self):
        known = ("sqrt", "max", "none")
        require(self.smoothing in known, "GeometricMedian", "smoothing", self.smoothing, f"use one of {known}")

    @property
    def lacks(self) -> frozenset[Law]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Scale, if there is a smoothing radius."""
        return frozenset() if self.smoothing == "none" else frozenset({"scale"})

    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        assert dist2 is not None
        nu = self.nu.astype(w.dtype)
        return median_coefficients(dist2, in_sight(dist2, w, nu), nu, self.smoothing)

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return w.sum()

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # Both results lie within the bound of any h: take the other row whose ball around the others is smallest.
        others = jnp.where(principal, 0, w)
        share = jnp.where(principal, w, 0).sum() / jnp.where(w.sum() > 0, w.sum(), 1)
        both = (others[:, None] > 0) & (others[None, :] > 0)
        reach = jnp.sqrt(jnp.where(both, squared_distances(x, others), 0).max(1))
        radius = jnp.where(others > 0, reach, jnp.inf).min() + self.nu.astype(x.dtype)
        safe = jnp.where(share < 0.5, 1 - 2 * share, 1)
        return jnp.where(share < 0.5, 2 * radius * (1 - share) / jnp.sqrt(safe), jnp.inf)
