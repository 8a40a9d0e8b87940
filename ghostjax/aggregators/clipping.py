"""Norm clipping before a rule."""

from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._kernels import row_norms
from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Law, Need
from ghostjax.aggregators.mean import Mean


Kind = Literal["unconditional", "conditional", "none"]


class Clipping(AbstractAggregator):
    """Scales every message down to norm c at most, then applies `rule`.

        x'_i = x_i min(1, c / ||x_i||)

    **Guarantee:** behind it a rule whose result lies in the hull of its messages never exceeds norm c, and with the
    mean a principal of weight share p moves the result by at most `2 c p`. None against an attack of small norm.
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
    c: Float[Array, ""] = real_field(default=2.0)

    @property
    def certificate_kind(self) -> Kind:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Unconditional before the mean; otherwise that of the rule, for the clipped messages."""
        return "unconditional" if isinstance(self.rule, Mean) else self.rule.certificate_kind

    @property
    def needs(self) -> frozenset[Need]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the rule needs."""
        return self.rule.needs

    @property
    def lacks(self) -> frozenset[Law]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the rule lacks, unanimity, translation and scale."""
        own: frozenset[Law] = frozenset({"unanimity", "translation", "scale"})
        return self.rule.lacks | own

    def init(self, like: Any) -> PyTree:
        return self.rule.init(like)

    def _clip(self, x: Array) -> Array:
        return x * jnp.minimum(1, self.c.astype(x.dtype) / row_norms(x))[:, None]

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        return self.rule.step(state, self._clip(x), w, ctx)

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return self.rule.slack(w)

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        # Clipping moves honest messages by an amount that their spread does not bound.
        return jnp.asarray(jnp.inf, w.dtype)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        if isinstance(self.rule, Mean):
            total = w.sum()
            share = jnp.where(principal, w, 0).sum() / jnp.where(total > 0, total, 1)
            return 2 * self.c.astype(x.dtype) * share
        return self.rule.certificate(self._clip(x), w, principal)
