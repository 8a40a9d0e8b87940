"""The coordinate-wise trimmed mean."""

from jaxtyping import Array, Float

from ghostjax._types import real_field
from ghostjax.aggregators._coordinate import AbstractCoordinateRule
from ghostjax.aggregators.guarantees import Mass, trimmed_mean_kappa, Window


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

    def trim(self, total: Float[Array, "..."]) -> Float[Array, "..."]:
        return Mass(self.f, self.share)(total)

    @property
    def guarantee(self) -> Window:
        mass = Mass(self.f, self.share)
        return Window(mass, mass, trimmed_mean_kappa)
