"""The geometric median."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import balanced, geometric_median, in_sight, median_coefficients, unit_distances
from ghostjax._types import real_field, static_field
from ghostjax.aggregators._base import AbstractGeometricRule, Law, median_kappa, own_mass


class GeometricMedian(AbstractGeometricRule):
    """The point with the smallest sum of distances to the messages, to convergence.

        y = argmin_z sum_i w_i h(||z - x_i||)

    with `h(r) = sqrt(r^2 + nu^2)` (`smoothing="sqrt"`), `h(r) = r` beyond nu and quadratic below (`"max"`, the fixed
    point of Weiszfeld's step with weights `w / max(nu, r)`), or `h(r) = r` (`"none"`). The truncated iterations of the
    literature are other rules, with other guarantees: see `Weiszfeld`.

    **Guarantee:** conditional. While a principal's weight share is a < 1/2 and the other messages lie in a ball of
    radius R about h, `||y - h|| <= R (1 - a) / sqrt(1 - 2 a)` (up to the smoothing nu), and whatever they are,
    `||y - h|| <= 2 (1 - a) / (1 - 2 a) mean ||x_i - h||`; the certificate is the smaller of the two, over rows h. The
    exact median (`smoothing="none"`) is (F, 4 (1 + r)^2)-robust with `r = F / (W - 2 F)`, for every F; `f` and `share`
    say for which, and change no result. In float32 a message 8e3 times as far as the nearest half of the mass is wide
    counts as absent (4e12 times in float64) in gossip and among up to 128 messages: rounding hides where it is.
    **Traced:** `nu`, `f`, `share`, the weights. **Static:** `smoothing`. **Cost:** one Gram product and some twenty
    steps in n numbers; among more than 128 messages at a server two reads of them for each of 8 to 40 steps
    (`experiments/median_steps.py`).
    **Derivative:** implicit, reverse mode only. **Lacks:** scale (for a fixed nu).

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
    certificate_kind: ClassVar[Literal["unconditional", "conditional", "none"]] = "conditional"
    hull: ClassVar[bool] = True

    @property
    def lacks(self) -> frozenset[Law]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Scale, if there is a smoothing radius."""
        return frozenset() if self.smoothing == "none" else frozenset({"scale"})

    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        assert dist2 is not None
        w, nu = balanced(w), self.nu.astype(w.dtype)
        return median_coefficients(dist2, in_sight(dist2, w, nu), nu, self.smoothing)

    def of_rows(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, x: Float[Array, "n d"], w: Float[Array, " n"]
    ) -> Float[Array, " d"]:
        return geometric_median(x, w, self.nu.astype(w.dtype), self.smoothing)

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return w.sum() - 2 * own_mass(self, w)

    def bears(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """F where one is assumed, else any minority."""
        mass = own_mass(self, w)
        return jnp.where(mass > 0, mass, w.sum() / 2)

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        # With a radius of smoothing, messages that all agree can still be left by as much.
        return median_kappa(self, w) if self.smoothing == "none" else jnp.asarray(jnp.inf, w.dtype)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # Both results lie within each bound of any h: take the best of the other rows. The second bound: z costs no
        # more than h does, so (1 - 2 a) ||z - h|| <= 2 (1 - a) mean ||x_i - h|| by the triangle inequality. Smoothing
        # is as if the messages were moved by at most nu, out of their space (sqrt) or within it (max).
        others = jnp.where(principal, 0, w)
        share = jnp.where(principal, w, 0).sum() / jnp.where(w.sum() > 0, w.sum(), 1)
        both = (others[:, None] > 0) & (others[None, :] > 0)
        dist2, scale = unit_distances(x, others)
        distances = jnp.sqrt(jnp.where(both, dist2, 0)) / scale
        nu = jnp.zeros((), x.dtype) if self.smoothing == "none" else self.nu.astype(x.dtype)
        radius = jnp.where(others > 0, distances.max(1), jnp.inf).min() + nu
        average = distances @ others / jnp.where(others.sum() > 0, others.sum(), 1)
        near = jnp.where(others > 0, average, jnp.inf).min() + nu
        safe = jnp.where(share < 0.5, 1 - 2 * share, 1)
        bound = jnp.minimum(radius / jnp.sqrt(safe), 2 * near / safe)
        return jnp.where(share <= 0, 0, jnp.where(share < 0.5, 2 * (1 - share) * bound, jnp.inf))
