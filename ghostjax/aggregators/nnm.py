"""Nearest-neighbour mixing before a rule."""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._kernels import nearest_mixing, squared_distances, widened
from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Law, Need


class NNM(AbstractAggregator):
    """Replaces every message by the mean of the mass nearest to it, then applies `rule`.

        x'_i = mean of the mass W - F nearest to x_i, itself included,    F = f + share * W

    **Guarantee:** with a (F, kappa)-robust rule and `W > 2 F` the whole is (F, 8 F / (W - F) (kappa + 1))-robust: it
    pays for rules that select, and for small F; at large F a trimmed mean alone has the smaller constant.
    **Traced:** `f`, `share`, the rule's knobs, the weights. **State:** the rule's. **Cost:** one Gram product and one
    `[n, n] @ [n, d]` product. In gossip it is a general rule: mapped over receivers at k times the memory.
    **Lacks:** what the rule lacks.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> rule = gj.aggregators.NNM(gj.aggregators.TrimmedMean(f=1), f=1)
    >>> rule(jnp.array([[0.0], [1.0], [2.0], [9.0]]))
    Array([1.], dtype=float32)

    ```

    Source: Allouah et al., Fixing by Mixing, arXiv:2302.01772.
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
        """What the rule lacks."""
        return self.rule.lacks

    def _mass(self, w: Array) -> Array:
        return self.f.astype(w.dtype) + self.share.astype(w.dtype) * w.sum()

    def init(self, like: Any) -> PyTree:
        return self.rule.init(like)

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        rows, mass = widened(x), widened(w)
        mixing = nearest_mixing(squared_distances(rows, mass), mass, mass.sum() - self._mass(mass))
        mixed = jnp.matmul(mixing.T, rows, precision=jax.lax.Precision.HIGHEST)
        return self.rule.step(state, mixed.astype(x.dtype), w, ctx)

    def slack(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        return jnp.minimum(w.sum() - 2 * self._mass(w), self.rule.slack(w))

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        mass, total = self._mass(w), w.sum()
        left = total - mass
        factor = 8 * mass / jnp.where(left > 0, left, 1)
        kappa = self.rule.kappa(w)
        bound = jnp.where(jnp.isfinite(kappa), factor * (kappa + 1), jnp.inf)
        return jnp.where(total > 2 * mass, bound, jnp.inf)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # A principal can enter every mixed row, so a certificate of the rule for its rows alone says nothing here.
        del w, principal
        return jnp.asarray(jnp.inf, x.dtype)
