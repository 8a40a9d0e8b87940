"""Krum: the message whose neighbours are nearest."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._types import real_field, static_field
from ghostjax.aggregators._base import Law
from ghostjax.aggregators._geometric import AbstractGeometricRule
from ghostjax.aggregators._scores import check_neighbours, exempt_laws_of, krum_scores, NEIGHBOURS, Neighbours, SLACK
from ghostjax.aggregators.guarantees import Mass, SmallestScores


class Krum(AbstractGeometricRule):
    """The message with the smallest sum of squared distances to its nearest neighbours.

        score_i = sum of the k smallest ||x_i - x_j||^2, j != i,    k = n - f - 1 or n - f - 2

    in mass form: the distances to the mass `W - F` nearest to i, itself included, `F = f + share * W`. Scores that
    differ by rounding tie (after NNM whole groups of messages do), and ties go to the lowest index.

    **Guarantee:** the result is one of the messages, and with k = n - f - 1 and `W > 2 F`,
    `||y - mean_S||^2 <= 6 (1 + r) sigma_S^2` with `r = F / (W - 2 F)`. One identity can move it by the largest
    distance between messages: it jumps. **Traced:** `f`, `share`, the weights. **Static:** `neighbours`: libraries
    differ (the paper, Flower and Blades use n - f - 2, byzfl and byzpy n - f - 1). The derivative in the weights is 0
    almost everywhere, so an adjoint through Krum is 0. **Exempt from:** permutation (mutual nearest neighbours tie if
    W - F is 2), and with n - f - 2 weight scale (it leaves out one identity). Errors, in a protocol: no neighbour is
    left to compare with.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.Krum(f=1)(jnp.array([[0.0], [1.0], [1.5], [9.0]]))
    Array([1.], dtype=float32)

    ```

    Source: Blanchard et al., Machine Learning with Adversaries, arXiv:1703.02757; the constant: Allouah et al.,
    arXiv:2302.01772.
    """

    f: Float[Array, ""] = real_field(default=0.0, low=0, unit="mass")
    share: Float[Array, ""] = real_field(default=0.0, low=0, high=1)
    neighbours: Neighbours = static_field(default="n-f-1", choices=NEIGHBOURS)

    def demands(self, call: str, w: Float[Array, " n"]) -> None:
        check_neighbours(call, w, Mass(self.f, self.share)(w.sum()), self.neighbours)

    @property
    def exempt_laws(self) -> frozenset[Law]:
        """Permutation, and with n - f - 2 weight scale."""
        return exempt_laws_of(self.neighbours)

    def coefficients(self, dist2: Float[Array, "n n"] | None, w: Float[Array, " n"]) -> Float[Array, " n"]:
        assert dist2 is not None
        scores = krum_scores(dist2, w, Mass(self.f, self.share)(w.sum()), self.neighbours)
        least = scores.min() * (1 + SLACK * jnp.finfo(scores.dtype).eps)
        chosen = jnp.arange(w.shape[0]) == jnp.argmax(scores <= least)
        return jnp.where(chosen & (w > 0), jnp.ones_like(w), 0)

    @property
    def guarantee(self) -> SmallestScores:
        return SmallestScores(Mass(self.f, self.share), self.neighbours)
