"""Norm clipping before a rule."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import capped, measured
from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Kind, Law
from ghostjax.aggregators._reach import clipped_reach, gain
from ghostjax.aggregators._units import in_range
from ghostjax.aggregators._wrapper import AbstractWrapper, borne_mass


class Clipping(AbstractWrapper):
    """Scales every message down to norm c at most, then applies `rule`.

        x'_i = x_i min(1, c / ||x_i||)

    **Guarantee:** behind it a rule whose result lies in the hull of its messages never exceeds norm c. None against
    an attack of small norm; no kappa, since clipping moves honest messages by more than their spread bounds.
    **Certificate:** `2 c p` for a principal of weight share p before the mean; `2 c` before a rule whose result lies
    in the hull, and `2 c sqrt(W / (W - F))` before one that trims F per coordinate, or the rule's own certificate for
    the clipped messages where that is smaller (it is then conditional on these).
    **Traced:** `c`, the rule's knobs, the weights. **State:** the rule's. **Lacks:** unanimity, translation, scale (it
    clips around zero with a fixed radius), and what the rule lacks.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.Clipping(gj.aggregators.Mean(), c=1.0)(jnp.array([[3.0, 4.0], [0.0, 0.2]]))
    Array([0.3, 0.5], dtype=float32)

    ```

    Source: Sun et al., Can You Really Backdoor Federated Learning?, arXiv:1911.07963.
    """

    rule: AbstractAggregator
    c: Float[Array, ""] = real_field(default=2.0, low=0, inf=True, unit="length")
    own_lacks: ClassVar[frozenset[Law]] = frozenset({"unanimity", "translation", "scale"})
    shortens: ClassVar[bool] = True

    @property
    def certificate_kind(self) -> Kind:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the rule; unconditional where the rule has none and its result is no longer than its messages."""
        bounded = self.rule.certificate_kind == "none" and gain(self.rule, jnp.ones(1)) is not None
        return "unconditional" if bounded else self.rule.certificate_kind

    def before(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        return capped(x, measured(x), self.c.astype(x.dtype)), w

    def weights(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        return w

    def bears(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """What its rule bears; where that is nothing, any minority of bounded messages."""
        inner = borne_mass(self.rule, w)
        return jnp.where(inner > 0, inner, w.sum() / 2)

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf, w.dtype)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        clipped, _ = self.before(x, w, Context())
        none = jnp.zeros_like(w)
        rule, w, _ = in_range(self.rule, w)
        reach = clipped_reach(rule, self.c.astype(x.dtype), none, none, w, principal)
        return jnp.minimum(reach, rule.certificate(clipped, w, principal))
