"""The geometric median."""

from typing import Literal

from jaxtyping import Array, Float

from ghostjax._kernels import balanced, geometric_median, median_coefficients, without_far_rows
from ghostjax._types import real_field, static_field
from ghostjax.aggregators._base import Law
from ghostjax.aggregators._geometric import AbstractGeometricRule
from ghostjax.aggregators.guarantees import Mass, SpatialMedian


class GeometricMedian(AbstractGeometricRule):
    """The point with the smallest sum of distances to the messages, to convergence.

        y = argmin_z sum_i w_i h(||z - x_i||)

    with `h(r) = sqrt(r^2 + nu^2)` (`smoothing="sqrt"`), `h(r) = r` beyond nu and quadratic below (`"max"`, the fixed
    point of Weiszfeld's step with weights `w / max(nu, r)`), or `h(r) = r` (`"none"`). The truncated iterations of the
    literature are other rules, with other guarantees: see `Weiszfeld`.

    **Guarantee:** conditional. If a principal's weight share is a < 1/2 and the other messages lie in a ball of
    radius R about h, then `||y - h|| <= R (1 - a) / sqrt(1 - 2 a)` (up to the smoothing nu). For any other messages,
    `||y - h|| <= 2 (1 - a) / (1 - 2 a) mean ||x_i - h||`. The certificate is the smaller of the two, over rows h. The
    exact median (`smoothing="none"`) is (F, 4 (1 + r)^2)-robust with `r = F / (W - 2 F)`, for every F. `f` and `share`
    choose this F and change no result. In gossip, and among up to 128 messages, a message counts as
    absent if it is farther than 8e3 times the radius of the nearest half of the mass in float32 (4e12 times in
    float64), because rounding hides its position. **Traced:** `nu`, `f`, `share`, the weights. **Static:**
    `smoothing`. **Cost:** one Gram product and some twenty steps in n numbers. Among more than 128 messages at a
    server, 8 to 40 steps with two reads of the messages each (`experiments/median_steps.py`).
    **Derivative:** implicit, reverse mode only. **Exempt from:** scale (for a fixed nu).

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> rule = gj.aggregators.GeometricMedian(smoothing="none")
    >>> rule(jnp.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [5.0, 1.0], [7.0, 2.0]]))
    Array([0., 0.], dtype=float32)

    ```

    Source: Chen et al., arXiv:1705.05491; Pillutla et al., Robust Aggregation for Federated Learning, arXiv:1912.13445.
    """

    nu: Float[Array, ""] = real_field(default=1e-3, low=0, unit="length")
    smoothing: Literal["sqrt", "max", "none"] = static_field(default="sqrt", choices=("sqrt", "max", "none"))
    f: Float[Array, ""] = real_field(default=0.0, low=0, unit="mass")
    share: Float[Array, ""] = real_field(default=0.0, low=0, high=1)

    @property
    def exempt_laws(self) -> frozenset[Law]:
        """Scale, if there is a smoothing radius."""
        return frozenset() if self.smoothing == "none" else frozenset({"scale"})

    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        assert dist2 is not None
        w, nu = balanced(w), self.nu.astype(w.dtype)
        return median_coefficients(dist2, without_far_rows(dist2, w, nu), nu, self.smoothing)

    def of_rows(self, x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, " d"]:
        return geometric_median(x, w, self.nu.astype(w.dtype), self.smoothing)

    @property
    def guarantee(self) -> SpatialMedian:
        return SpatialMedian(Mass(self.f, self.share, minority=True), None if self.smoothing == "none" else self.nu)
