"""The guarantee that follows from a robustness coefficient alone."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import nearest_mixing, unit_distances
from ghostjax.aggregators.guarantees._base import AbstractConditional
from ghostjax.aggregators.guarantees.mass import Mass


def robust_bound(
    kappa: Float[Array, ""],
    x: Float[Array, "n d"],
    w: Float[Array, " n"],
    principal: Bool[Array, " n"],
    mass: Float[Array, ""],
) -> Float[Array, ""]:
    """A bound on how far a principal of mass at most F moves a (F, kappa)-robust rule, the other rows as in `x`.

    Both results are within `sqrt(kappa) sigma_S` of the mean of any set S of mass `W - F` among the others, so they
    are at most `2 sqrt(kappa) sigma_S` apart. Candidates for S are the sets nearest to one row; the tightest is taken.
    """
    others = jnp.where(principal, 0, w)
    principal_mass = jnp.where(principal, w, 0).sum()
    dist2, scale = unit_distances(x, others)
    sets = nearest_mixing(dist2, others, w.sum() - mass)
    spread = 0.5 * (sets * jnp.matmul(dist2, sets, precision=jax.lax.Precision.HIGHEST)).sum(0)
    variance = jnp.maximum(jnp.where(others > 0, spread, jnp.inf).min(), 0)
    # Masses that differ by rounding count as equal.
    held = (
        (principal_mass <= mass * (1 + 4 * jnp.finfo(w.dtype).eps))
        & (principal_mass < others.sum())
        & jnp.isfinite(kappa)
    )
    bound = 2 * jnp.sqrt(jnp.where(held, kappa * variance, 0)) / scale
    return jnp.where(principal_mass <= 0, 0, jnp.where(held, bound, jnp.inf))


class Robust(AbstractConditional):
    """Of a rule that is (F, kappa)-robust, F the mass `assumed` and `coefficient(F, W)` its kappa.

    The influence bound is `2 sqrt(kappa) sigma` for a principal of mass at most F, sigma the deviation of the tightest
    mass `W - F` among the others.

    ```python
    >>> import jax.numpy as jnp
    >>> from ghostjax.aggregators.guarantees import Mass, Robust
    >>> guarantee = Robust(Mass(f=1), lambda mass, total: 4 * mass / (total - 2 * mass))
    >>> float(guarantee.kappa(jnp.ones(6)))
    1.0

    ```
    """

    assumed: Mass
    coefficient: Callable[[Array, Array], Array] = eqx.field(static=True)
    in_convex_hull: bool = eqx.field(static=True, default=False, kw_only=True)

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.assumed.margin(w.sum())

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        total = w.sum()
        proved = self.assumed.margin(total) > 0
        return jnp.where(proved, self.coefficient(jnp.where(proved, self.assumed(total), 0), total), jnp.inf)

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        return robust_bound(self.kappa(w), x, w, principal, self.assumed(w.sum()))

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(1 if self.in_convex_hull else jnp.inf, w.dtype)
