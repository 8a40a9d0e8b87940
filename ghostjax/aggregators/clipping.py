"""Norm clipping before a rule."""

from typing import ClassVar

from jaxtyping import Array, Float

from ghostjax._kernels import capped, measured
from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Law
from ghostjax.aggregators._wrapper import AbstractWrapper
from ghostjax.aggregators.guarantees import Clipped


class Clipping(AbstractWrapper):
    """Scales every message down to norm c at most, then applies `rule`.

        x'_i = x_i min(1, c / ||x_i||)

    **Guarantee:** the norm of the result is at most c, if the rule's result is in the hull of its messages. There is
    no guarantee against an attack of small norm, and no kappa: clipping may move honest messages by more than their
    spread.
    **Certificate:** for a principal of weight share p, `2 c p` before the mean, `2 c` before a rule whose result is in
    the hull, `2 c sqrt(W / (W - F))` before one that trims F per coordinate, and `2 min(c, tau) p L` before centered
    clipping of L steps. If the rule's own certificate for the clipped messages is smaller, it is used; it is
    conditional on these messages.
    **Traced:** `c`, the rule's knobs, the weights. **State:** the rule's. **Exempt from:** unanimity, translation and
    scale (it clips around zero with a fixed radius), and the laws that the rule is exempt from.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.Clipping(gj.aggregators.Mean(), c=1.0)(jnp.array([[3.0, 4.0], [0.0, 0.2]]))
    Array([0.3, 0.5], dtype=float32)

    ```

    Source: Sun et al., Can You Really Backdoor Federated Learning?, arXiv:1911.07963.
    """

    rule: AbstractAggregator
    c: Float[Array, ""] = real_field(default=2.0, low=0, inf=True, unit="length")
    added_exempt_laws: ClassVar[frozenset[Law]] = frozenset({"unanimity", "translation", "scale"})

    def before(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        return capped(x, measured(x), self.c.astype(x.dtype)), w

    def weights(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        return w

    @property
    def guarantee(self) -> Clipped:
        return Clipped(self.rule.guarantee, self.c)
