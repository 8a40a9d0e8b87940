"""Nearest-neighbour mixing before a rule."""

from jaxtyping import Array, Float

from ghostjax._kernels import nearest_mixing
from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractAggregator
from ghostjax.aggregators._wrapper import AbstractMixing
from ghostjax.aggregators.guarantees import Mass, Mixed


class NNM(AbstractMixing):
    """Replaces every message by the mean of the mass nearest to it, then applies `rule`.

        x'_i = mean of the mass W - F nearest to x_i, itself included,    F = f + share * W

    **Guarantee:** with a (F, kappa)-robust rule and `W > 2 F` the whole is (F, 8 F / (W - F) (kappa + 1))-robust. This
    improves rules that select, and every rule at small F; at large F the trimmed mean alone has the smaller constant.
    There is no guarantee if the rule assumes less than F or has no kappa: a far message is still part of its mixture.
    **Certificate:** conditional on the spread of the others: `2 sqrt(kappa) sigma` for a principal of mass at most F,
    sigma the deviation of the tightest mass `W - F` among the others. If the rule bounds the distance of any two of its
    results, at most that: `2 tau L` before centered clipping, `2 c` before a clipped mean.
    **Traced:** `f`, `share`, the rule's knobs, the weights. **Derivatives:** those of removal; the choice of nearest
    messages is held constant. **State:** the rule's. **Cost:** one Gram product and one `[n, n] @ [n, d]` product. In
    gossip, before a geometric rule, it is geometric itself: one Gram product for all receivers. Before any other rule
    it is mapped over receivers at k times the memory: `[n, k, d]`.
    **Exempt from:** the laws that the rule is exempt from.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> rule = gj.aggregators.NNM(gj.aggregators.TrimmedMean(f=1), f=1)
    >>> rule(jnp.array([[0.0], [1.0], [2.0], [9.0]]))
    Array([1.], dtype=float32)

    ```

    Source: Allouah et al., Fixing by Mixing, arXiv:2302.01772.
    """

    rule: AbstractAggregator
    f: Float[Array, ""] = real_field(default=0.0, low=0, unit="mass")
    share: Float[Array, ""] = real_field(default=0.0, low=0, high=1)

    def mixing(self, dist2: Float[Array, "n n"], w: Float[Array, " n"]) -> Float[Array, "n n"]:
        return nearest_mixing(dist2, w, w.sum() - Mass(self.f, self.share)(w.sum()))

    @property
    def guarantee(self) -> Mixed:
        return Mixed(self.rule.guarantee, Mass(self.f, self.share))
