"""Multi-Krum: the mean of the messages whose neighbours are nearest."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels import kept_mass
from ghostjax._types import real_field, require, static_field
from ghostjax.aggregators._base import Law
from ghostjax.aggregators._geometric import AbstractGeometricRule
from ghostjax.aggregators._scores import check_neighbours, exempt_laws_of, krum_scores, NEIGHBOURS, Neighbours, SLACK
from ghostjax.aggregators.guarantees import Mass, SmallestScores


class MultiKrum(AbstractGeometricRule):
    """The mean of the mass m of messages with the smallest Krum scores.

        y = sum_i keep_i x_i / m,    keep = the mass m of smallest score

    Scores as in `Krum`. **Traced:** `f`, `share`, `m` (nan, the default, takes `W - F`), the weights. **Static:**
    `neighbours`. Ties go to the lowest index, as in `Krum`; the last row may count in part. The derivative in the
    weights sees the averaging, not the selection. **Guarantee:** a conditional certificate (see `certificate`); no
    robustness coefficient is claimed. **Exempt from:** permutation (ties), and with n - f - 2 weight scale. A mass m
    beyond the mass present counts as all of it. Errors, in a protocol: such an m, or 0; no neighbour left to compare
    with.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.MultiKrum(f=1)(jnp.array([[0.0], [1.0], [2.0], [9.0]]))
    Array([1.], dtype=float32)

    ```

    Source: Blanchard et al., Machine Learning with Adversaries, NeurIPS 2017, arXiv:1703.02757.
    """

    f: Float[Array, ""] = real_field(default=0.0, low=0, unit="mass")
    share: Float[Array, ""] = real_field(default=0.0, low=0, high=1)
    m: Float[Array, ""] = real_field(default=jnp.nan, low=0, nan=True, unit="mass")
    neighbours: Neighbours = static_field(default="n-f-1", choices=NEIGHBOURS)

    def demands(self, call: str, w: Float[Array, " n"]) -> None:
        check_neighbours(call, w, Mass(self.f, self.share)(w.sum()), self.neighbours)
        within = (self.m > 0) & (self.m <= w.sum() * (1 + 4 * jnp.finfo(w.dtype).eps))
        remedy = f"averages the mass m of the {w.sum():g} present; give more than 0 and no more than these"
        require(jnp.isnan(self.m) | within, call, "m", self.m, remedy)

    @property
    def exempt_laws(self) -> frozenset[Law]:
        """Permutation, and with n - f - 2 weight scale."""
        return exempt_laws_of(self.neighbours)

    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        assert dist2 is not None
        scores = krum_scores(dist2, w, Mass(self.f, self.share)(w.sum()), self.neighbours)
        kept, none = jnp.clip(self.guarantee.kept(w), jnp.finfo(w.dtype).tiny, w.sum()), jnp.zeros((), w.dtype)
        selected = kept_mass(scores, w, none, kept) > 0
        # The order among scores that tie with the last one must not depend on their rounding.
        last = jnp.where(selected, scores, -jnp.inf).max()
        rounding = SLACK * jnp.finfo(scores.dtype).eps
        ties = (scores >= last * (1 - rounding)) & (scores <= last * (1 + rounding))
        return jnp.where(w.sum() > 0, kept_mass(jnp.where(ties, last, scores), w, none, kept) / kept, 0)

    @property
    def guarantee(self) -> SmallestScores:
        return SmallestScores(Mass(self.f, self.share), self.neighbours, self.m)
