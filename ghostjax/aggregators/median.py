"""The coordinate-wise median."""

from jaxtyping import Array, Float

from ghostjax._types import real_field
from ghostjax.aggregators._coordinate import AbstractCoordinateRule
from ghostjax.aggregators.guarantees import Mass, median_kappa, Window


class Median(AbstractCoordinateRule):
    """The median of each coordinate: the trimmed mean with the largest trim.

        y_k = (lower + upper) / 2

    with `lower` the smallest value of coordinate k whose cumulated weight reaches `W / 2`, and `upper` the
    smallest whose cumulated weight exceeds it (two different values only where a group of rows has exactly half
    of the weight). **Traced:** `f`, `share`, the weights.

    **Guarantee:** while the Byzantine mass is below `W / 2`, each coordinate lies in the range of the honest
    values, and for every F it is (F, 4 (1 + r)^2)-robust with `r = F / (W - 2 F)`. `f` and `share` choose this F
    and change no result. One identity of small weight can move the result by a central gap between the
    others: its influence does not shrink with its weight.
    **Certificate:** conditional, exact per coordinate: the distance of the two values of others between which the
    principal can place the median; inf from half of the mass on. **Derivative in w:** 0 where one row is the
    median, so a gradient attributes nothing to identities that only hold it in place. Compare exact replays.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.Median()(jnp.array([[0.0], [1.0], [9.0]]))
    Array([1.], dtype=float32)

    ```

    Source: Yin et al., Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates,
    arXiv:1803.01498; the constant: Allouah et al., Fixing by Mixing, arXiv:2302.01772.
    """

    f: Float[Array, ""] = real_field(default=0.0, low=0, unit="mass")
    share: Float[Array, ""] = real_field(default=0.0, low=0, high=1)

    def trim(self, total: Float[Array, "..."]) -> Float[Array, "..."]:
        return total / 2

    @property
    def guarantee(self) -> Window:
        return Window(Mass(self.f, self.share, minority=True), Mass(share=0.5), median_kappa)
