"""Adaptive robust clipping before a rule."""

from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._kernels import row_norms
from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Law, Need


class ARC(AbstractAggregator):
    """Scales the messages of largest norm down to the largest norm among the rest, then applies `rule`.

        k = floor(2 F (W - F) / W),    the mass k of largest norm is clipped to the next norm,    F = f + share * W

    **Guarantee:** with a (F, kappa)-robust rule and `W > 2 F` the whole is (F, kappa + 2 F / (W - 2 F))-robust, and its
    result never exceeds the (k+1)-th largest norm. **Traced:** `f`, `share`, the rule's knobs, the weights.
    **State:** the rule's. **Lacks:** unanimity is kept, translation is not (it clips around zero), nor weight scale,
    and what the rule lacks.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.ARC(gj.aggregators.Mean(), f=1)(jnp.array([[1.0], [2.0], [3.0], [8.0]]))
    Array([2.25], dtype=float32)

    ```

    Source: Allouah et al., Adaptive Gradient Clipping for Robust Federated Learning, arXiv:2405.14432.
    """

    rule: AbstractAggregator
    f: Float[Array, ""] = real_field(default=0.0)
    share: Float[Array, ""] = real_field(default=0.0)
    certificate_kind: ClassVar[Literal["unconditional", "conditional", "none"]] = "none"

    @property
    def needs(self) -> frozenset[Need]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the rule needs."""
        return self.rule.needs

    @property
    def lacks(self) -> frozenset[Law]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the rule lacks, translation and weight scale."""
        own: frozenset[Law] = frozenset({"translation", "weight_scale"})
        return self.rule.lacks | own

    def _mass(self, w: Array) -> Array:
        return self.f.astype(w.dtype) + self.share.astype(w.dtype) * w.sum()

    def init(self, like: Any) -> PyTree:
        return self.rule.init(like)

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        norms = row_norms(x)
        mass, total = self._mass(w), w.sum()
        # A mass that is a whole number up to rounding counts as that number.
        clipped = jnp.floor(2 * mass * (total - mass) / jnp.where(total > 0, total, 1) + 1e-4)
        above = jnp.where(norms[None, :] > norms[:, None], w[None, :], 0).sum(1)
        limit = jnp.where((w > 0) & (above <= clipped), norms, jnp.inf).min()
        return self.rule.step(state, x * jnp.minimum(1, limit / norms)[:, None], w, ctx)

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.minimum(w.sum() - 2 * self._mass(w), self.rule.slack(w))

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        mass = self._mass(w)
        free = w.sum() - 2 * mass
        return jnp.where(free > 0, self.rule.kappa(w) + 2 * mass / jnp.where(free > 0, free, 1), jnp.inf)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # What a principal sends also decides how far the others are clipped.
        del w, principal
        return jnp.asarray(jnp.inf, x.dtype)
