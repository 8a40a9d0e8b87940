"""A fixed number of Weiszfeld's steps; most libraries call this the geometric median."""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import power_near, row_norms, weighted_mean, window_mean
from ghostjax._types import real_field, static_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Law
from ghostjax.aggregators.guarantees import NoGuarantee


class Weiszfeld(AbstractAggregator):
    """`steps` of Weiszfeld's iteration from a given start.

        z <- sum_i b_i x_i / sum_i b_i,    b_i = w_i / max(nu, ||x_i - z||)

    **Guarantee:** none. Truncated from zero it has no robustness coefficient: far from the origin it is close to the
    mean (see `GeometricMedian` for the converged rule). **Traced:** `nu`, the weights. **Static:** `steps`, `start`
    ("zero", "mean" or "median"). **Cost:** two reads of the messages a step. **Presets of the literature:** byzfl and
    robust-collaborative-learning (zero, nu .1, 3 steps: the defaults), the bucketing code (zero, .1, 8), FLPoison
    (zero, 1e-6, 3), Blades (mean, 1e-6, 100), byzpy (median, 1e-12, 256). **Exempt from:** scale (for a
    fixed nu), translation (from zero), rotation (from the median).

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> round(float(gj.aggregators.Weiszfeld()(jnp.array([[1.0], [1.0], [4.0]]))[0]), 2)
    1.09

    ```

    Source: Weiszfeld, Sur le point pour lequel la somme des distances de n points donnes est minimum, 1937.
    """

    nu: Float[Array, ""] = real_field(default=0.1, low=0, unit="length")
    steps: int = static_field(default=3, whole=True, low=1)
    start: Literal["zero", "mean", "median"] = static_field(default="zero", choices=("zero", "mean", "median"))
    guarantee: ClassVar[NoGuarantee] = NoGuarantee(in_convex_hull=True)

    @property
    def exempt_laws(self) -> frozenset[Law]:
        """Scale, and the laws that the start is exempt from."""
        start: dict[str, frozenset[Law]] = {
            "zero": frozenset({"translation", "scale"}),
            "mean": frozenset({"scale"}),
            "median": frozenset({"rotation", "scale"}),
        }
        return start[self.start]

    def init(self, like: Any) -> PyTree:
        del like
        return ()

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        del ctx
        nu = self.nu.astype(x.dtype)
        if self.start == "zero":
            z = jnp.zeros(x.shape[1], x.dtype)
        elif self.start == "mean":
            z = weighted_mean(x, w)
        else:
            z = window_mean(x, w, w.sum() / 2)

        def move(_: Any, z: Array) -> Array:
            lengths = jnp.maximum(nu, row_norms(x, z))
            # In units of the nearest row: the inverse of the largest number is rounded to 0.
            unit = power_near(jnp.where(w > 0, lengths, jnp.inf).min(initial=jnp.finfo(lengths.dtype).max))
            return weighted_mean(x, w / (lengths * unit))

        return state, jax.lax.fori_loop(0, self.steps, move, z)
