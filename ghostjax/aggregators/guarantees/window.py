"""The guarantee of a window of order statistics per coordinate."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import window_mean
from ghostjax.aggregators.guarantees._base import AbstractConditional
from ghostjax.aggregators.guarantees.mass import Mass


class Window(AbstractConditional):
    """Of a rule that drops the mass `trimmed` at both ends of each coordinate and averages the rest.

    The influence bound is exact per coordinate. `coefficient(F, W)` is kappa; `assumed` is F.
    """

    assumed: Mass
    trimmed: Mass
    coefficient: Callable[[Array, Array], Array] = eqx.field(static=True)

    def margin(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.assumed.margin(w.sum())

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        total = w.sum()
        return self.coefficient(self.assumed(total), total)

    def influence_bound(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # The result is monotone in each entry, so it is extreme with all of the principal's rows at one end, coordinate
        # by coordinate. The ends of the others' range stand for +inf and -inf: the principal's rows are trimmed as long
        # as their mass is at most the trimmed mass.
        others = jnp.where(principal, 0, w)
        total, rest = w.sum(), others.sum()
        mass, trim = jnp.where(principal, w, 0).sum(), self.trimmed(total)
        top = jnp.where((others > 0)[:, None], x, -jnp.inf).max(0)
        bottom = jnp.where((others > 0)[:, None], x, jnp.inf).min(0)

        def value(end: Float[Array, " d"]) -> Float[Array, " d"]:
            return window_mean(jnp.where(principal[:, None], end[None, :], x), w, trim)

        width = jnp.linalg.norm(value(top) - value(bottom))
        # The kernel counts masses that differ by rounding as equal. Half of the mass can move the median anywhere.
        hidden = (mass <= trim * (1 + 4 * jnp.finfo(w.dtype).eps)) | (2 * trim >= total)
        return jnp.where(mass <= 0, 0, jnp.where(hidden & (mass < rest), width, jnp.inf))

    def norm_gain(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        # If y_k > 0, the mass W - 2 T of the window averages y_k and the mass T above is no smaller, so that
        # sum_i w_i x_ik^2 >= (W - T) y_k^2; likewise if y_k < 0. The sum over k gives g^2 = W / (W - T).
        total = w.sum()
        trim = jnp.clip(self.trimmed(total), 0, total / 2)
        return jnp.sqrt(jnp.where(total > 0, total / jnp.where(total > 0, total - trim, 1), 1))
