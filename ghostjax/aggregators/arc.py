"""Adaptive robust clipping before a rule."""

from typing import ClassVar

from jaxtyping import Array, Float

from ghostjax._kernels import capped, lengths, measured
from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Law
from ghostjax.aggregators._limit import adaptive_limit
from ghostjax.aggregators._wrapper import AbstractWrapper
from ghostjax.aggregators.guarantees import AdaptivelyClipped, Mass


class ARC(AbstractWrapper):
    """Scales the messages of largest norm down to the largest norm among the rest, then applies `rule`.

        k = floor(2 F (W - F) / W),    the mass k of largest norm is clipped to the next norm,    F = f + share * W

    **Guarantee:** with a (F, kappa)-robust rule and `W > 2 F` the whole is (F, kappa + 2 F / (W - 2 F))-robust. If the
    rule's result is in the hull of its messages, its norm never exceeds the (k+1)-th largest norm.
    **Certificate:** conditional, the smallest of three bounds: `2 sqrt(kappa) sigma` (see `NNM`), for a principal of
    mass at most F; for one of mass at most k, its influence with messages of the norm c that is left (`2 c` for a rule
    whose result is in the hull, less for the mean); and the rule's bound for arbitrary messages of everybody (`2 tau L`
    for centered clipping of L steps, or the principal's part of it plus the shift of the others by the limit).
    **Traced:** `f`, `share`, the rule's knobs, the weights. **Derivatives:** those of removal, of the scaled messages;
    the number of clipped messages is held constant. It is discontinuous in the weights: where k or the mass of the
    longest messages passes a whole number, or the mass above a norm passes k, the limit jumps to another norm.
    **State:** the rule's. **Exempt from:** translation (it clips around zero), weight scale, and the laws that the
    rule is exempt from. Unanimity is kept.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.ARC(gj.aggregators.Mean(), f=1)(jnp.array([[1.0], [2.0], [3.0], [8.0]]))
    Array([2.25], dtype=float32)

    ```

    Source: Allouah et al., Adaptive Gradient Clipping for Robust Federated Learning, arXiv:2405.14432.
    """

    rule: AbstractAggregator
    f: Float[Array, ""] = real_field(default=0.0, low=0, unit="mass")
    share: Float[Array, ""] = real_field(default=0.0, low=0, high=1)
    added_exempt_laws: ClassVar[frozenset[Law]] = frozenset({"translation", "weight_scale"})

    def before(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        found = measured(x)
        limit = adaptive_limit(lengths(found, x.dtype), w, w, Mass(self.f, self.share)(w.sum()))
        return capped(x, found, limit), w

    def weights(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        return w

    @property
    def guarantee(self) -> AdaptivelyClipped:
        return AdaptivelyClipped(self.rule.guarantee, Mass(self.f, self.share))
