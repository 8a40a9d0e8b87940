"""The coordinate-wise trimmed mean."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import window_mean
from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractCoordinateRule


class TrimmedMean(AbstractCoordinateRule):
    """Drops mass F at both ends of each coordinate and averages the rest.

        y_k = sum_j kept_jk x_jk / (W - 2 F),    F = f + share * W

    with `kept` the part of each row's weight inside `[F, W - F]` when coordinate k is sorted.

    **Guarantee:** while the Byzantine mass is at most F and `W > 2 F`, each coordinate lies in the range of
    the honest values, and `||y - mean_S||^2 <= 6 r (1 + r) sigma_S^2` with `r = F / (W - 2 F)`. Where
    `W <= 2 F` the result is its limit, the coordinate median, and the run reports the round.
    **Certificate:** conditional on the others' values and exact per coordinate: with Q their quantile function on
    `[0, W - s]`, a principal of mass `s <= F` moves the coordinate by at most
    `(int_{W-F-s}^{W-F} Q - int_{F-s}^{F} Q) / (W - 2 F)`; inf beyond F, where nothing bounds it.
    **Traced:** `f`, a mass in identities, `share`, a fraction of the mass present, and the weights. A fractional
    mass is exact: it drops the fraction of a row. **Derivatives:** those of removal, reverse mode only.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.TrimmedMean(f=1)(jnp.array([[0.0], [1.0], [9.0]]))
    Array([1.], dtype=float32)

    ```

    Source: Yin et al., Byzantine-Robust Distributed Learning, arXiv:1803.01498; the constant: Allouah et
    al., arXiv:2302.01772.
    """

    f: Float[Array, ""] = real_field(default=0.0, low=0, unit="mass")
    share: Float[Array, ""] = real_field(default=0.0, low=0, high=1)
    certificate_kind: ClassVar[Literal["unconditional", "conditional", "none"]] = "conditional"

    def trim(self, total: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.f.astype(total.dtype) + self.share.astype(total.dtype) * total

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return w.sum() - 2 * self.trim(w.sum())

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        total = w.sum()
        trim, slack = self.trim(total), self.slack(w)
        r = trim / jnp.where(slack > 0, slack, 1)
        return jnp.where(slack > 0, 6 * r * (1 + r), jnp.inf)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # Sending +inf or -inf everywhere is the worst a principal can do, coordinate by coordinate, since the
        # result is monotone in each entry. Both extremes are evaluated with the principal's rows at the ends of
        # the others' range, where the trimmed part hides them as long as their mass is at most F.
        others = jnp.where(principal, 0, w)
        total, rest = w.sum(), others.sum()
        mass, trim = jnp.where(principal, w, 0).sum(), self.trim(total)
        top = jnp.where((others > 0)[:, None], x, -jnp.inf).max(0)
        bottom = jnp.where((others > 0)[:, None], x, jnp.inf).min(0)

        def value(end):
            return window_mean(jnp.where(principal[:, None], end[None, :], x), w, trim)

        width = jnp.linalg.norm(value(top) - value(bottom))
        # The kernel counts masses equal but for rounding as equal. Half of the mass moves the median at will.
        hidden = (mass <= trim * (1 + 4 * jnp.finfo(w.dtype).eps)) & (mass < rest)
        return jnp.where(mass <= 0, 0, jnp.where(hidden, width, jnp.inf))
