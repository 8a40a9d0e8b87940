"""Adaptive robust clipping before a rule."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._kernels import capped, lengths, measured, row_norms
from ghostjax._types import real_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Kind, Law, own_mass
from ghostjax.aggregators._reach import clipped_reach, robust_reach
from ghostjax.aggregators._wrapper import AbstractWrapper, assumed_mass, borne_mass


class ARC(AbstractWrapper):
    """Scales the messages of largest norm down to the largest norm among the rest, then applies `rule`.

        k = floor(2 F (W - F) / W),    the mass k of largest norm is clipped to the next norm,    F = f + share * W

    **Guarantee:** with a (F, kappa)-robust rule and `W > 2 F` the whole is (F, kappa + 2 F / (W - 2 F))-robust, and its
    result never exceeds the (k+1)-th largest norm where the rule's lies in the hull of what it sees.
    **Certificate:** conditional: the smaller of `2 sqrt(kappa) sigma` (see `NNM`), for a principal of mass at most F,
    and, for one of mass at most k, what it can do with messages of the norm that is left: `2 c` for a rule whose
    result lies in the hull, less for the mean.
    **Traced:** `f`, `share`, the rule's knobs, the weights. **Derivatives:** those of removal, of the scaled messages;
    how many are clipped is held constant. It is discontinuous in the weights: where k or the mass of the longest
    messages passes a whole number, or the mass above a norm passes k, the limit jumps to another norm. **State:** the
    rule's. **Lacks:** unanimity is kept,
    translation is not (it clips around zero), nor weight scale, and what the rule lacks.

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
    certificate_kind: ClassVar[Kind] = "conditional"
    shortens: ClassVar[bool] = True
    own_lacks: ClassVar[frozenset[Law]] = frozenset({"translation", "weight_scale"})

    def before(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        found = measured(x)
        return capped(x, found, self._limit(lengths(found, x.dtype), w, w)), w

    def _limit(self, norms: Array, rows: Array, w: Array, beside: Array | float = 0.0) -> Array:
        """The norm to clip to: the least of `rows` that the mass clipped lies above, `beside` of it somewhere else."""
        mass, total = assumed_mass(self, w), w.sum()
        # A mass that is a whole number up to rounding counts as that number.
        clipped = jnp.floor(2 * mass * (total - mass) / jnp.where(total > 0, total, 1) + 1e-4)
        above = jnp.where(norms[None, :] > norms[:, None], rows[None, :], 0).sum(1) + beside
        # Masses equal but for rounding count as equal: ten times 0.1 is 1.
        slack = 4 * max(1, w.shape[0] / 64) * jnp.finfo(w.dtype).eps * total
        return jnp.where((rows > 0) & (above <= clipped + slack), norms, jnp.inf).min()

    def weights(self, w: Float[Array, " n"]) -> Float[Array, " n"]:
        return w

    def bears(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        """F where one is assumed, else what its rule bears."""
        mass = own_mass(self, w)
        return jnp.where(mass > 0, mass, borne_mass(self.rule, w))

    def kappa(self, w: Float[Array, " n"]) -> Float[Array, ""]:
        mass = assumed_mass(self, w)
        free = w.sum() - 2 * mass
        proved = (free > 0) & (mass <= assumed_mass(self.rule, w))
        return jnp.where(proved, self.rule.kappa(w) + 2 * mass / jnp.where(free > 0, free, 1), jnp.inf)

    def certificate(
        self, x: Float[Array, "n d"], w: Float[Array, " n"], principal: Bool[Array, " n"]
    ) -> Float[Array, ""]:
        # The limit grows with every norm: it is least where the principal sends zeros, and largest where it sends
        # the longest messages, which then take their part of the mass clipped.
        norms = row_norms(x)
        others, own = jnp.where(principal, 0, w), jnp.where(principal, w, 0).sum()
        low = self._limit(jnp.where(principal, 0, norms), w, w)
        high = self._limit(norms, others, w, own)
        lengths = jnp.minimum(norms, low), jnp.minimum(norms, high)
        reach = clipped_reach(self.rule, high, *lengths, w, principal)
        return jnp.minimum(reach, robust_reach(self.kappa(w), x, w, principal, assumed_mass(self, w)))
