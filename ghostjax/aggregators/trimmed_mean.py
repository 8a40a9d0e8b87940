"""The coordinate-wise trimmed mean."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractCoordinateRule


class TrimmedMean(AbstractCoordinateRule):
    """Drops mass F at both ends of each coordinate and averages the rest.

        y_k = sum_j kept_jk x_jk / (W - 2 F),    F = f + share * W

    with `kept` the part of each row's weight inside `[F, W - F]` when coordinate k is sorted.

    **Guarantee:** while the Byzantine mass is at most F and `W > 2 F`, each coordinate lies in the range of
    the honest values, and `||y - mean_S||^2 <= 6 r (1 + r) sigma_S^2` with `r = F / (W - 2 F)`. Where
    `W <= 2 F` the result is its limit, the coordinate median, and the run reports the round.
    **Traced:** `f`, `share`, the weights. Both are masses in identities and as a fraction of the mass present.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.TrimmedMean(f=1)(jnp.array([[0.0], [1.0], [9.0]]))
    Array([1.], dtype=float32)

    ```

    Source: Yin et al., Byzantine-Robust Distributed Learning, arXiv:1803.01498; the constant: Allouah et
    al., arXiv:2302.01772.
    """

    f: Float[Array, ""] = real_field(default=0.0)
    share: Float[Array, ""] = real_field(default=0.0)
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
        mass, trim = jnp.where(principal, w, 0).sum(), self.trim(w.sum())
        top = jnp.where((others > 0)[:, None], x, -jnp.inf).max(0)
        bottom = jnp.where((others > 0)[:, None], x, jnp.inf).min(0)
        width = self._value(x, w, principal, top) - self._value(x, w, principal, bottom)
        return jnp.where(mass <= trim, jnp.linalg.norm(width), jnp.inf)

    def _value(self, x, w, principal, end):
        return self(jnp.where(principal[:, None], end[None, :], x), w)
