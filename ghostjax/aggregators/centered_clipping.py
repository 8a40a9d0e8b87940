"""Centered clipping: the mean of messages clipped around the last aggregate."""

from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import clipped_steps, shares
from ghostjax._types import real_field, static_field
from ghostjax.aggregators._base import AbstractAggregator, Context, Law, Need
from ghostjax.aggregators.guarantees import ClippedSteps


class CenteredClipping(AbstractAggregator):
    """Moves its centre by the weighted mean of differences clipped to length tau, `steps` times.

        v <- v + sum_i w_i min(1, tau / ||x_i - v||) (x_i - v) / W

    The centre starts at the last result (`centre="memory"`, zero at first) or at the receiver's anchor
    (`centre="anchor"`: its own model in gossip, the last aggregate at a server).

    **Guarantee:** unconditional. For a given centre, a principal of weight share p moves the result by at most
    `2 tau p` with one step, and `2 tau p L` with L steps. With a tau far above the spread of honest messages nothing
    is clipped, and the rule is the mean. **Traced:** `tau`, the weights. **Static:** `steps`, `centre`.
    **State:** v `[d]`. **Exempt from:** unanimity and scale (for a fixed radius), translation (from memory).
    **Cost:** two reads of the messages a step. In gossip it is mapped over receivers at k times the memory.
    **Derivative:** reverse mode only, two more reads a step.

    ```python
    >>> import jax.numpy as jnp, ghostjax as gj
    >>> gj.aggregators.CenteredClipping(tau=1.0)(jnp.array([[3.0, 0.0], [0.0, 0.5]]))
    Array([0.5 , 0.25], dtype=float32)

    ```

    Source: Karimireddy et al., Learning from History for Byzantine Robust Optimization, arXiv:2012.10333.
    """

    tau: Float[Array, ""] = real_field(default=1.0, low=0, inf=True, unit="length")
    steps: int = static_field(default=1, whole=True, low=1)
    centre: Literal["memory", "anchor"] = static_field(default="memory", choices=("memory", "anchor"))

    @property
    def needs(self) -> frozenset[Need]:
        """The anchor, if the centre is one."""
        return frozenset({"anchor"}) if self.centre == "anchor" else frozenset()

    @property
    def exempt_laws(self) -> frozenset[Law]:
        """Unanimity and scale; translation, unless the centre is the anchor, which moves with the messages."""
        if self.centre == "anchor":
            return frozenset({"unanimity", "scale"})
        return frozenset({"unanimity", "scale", "translation"})

    def init(self, like: Any) -> PyTree:
        return jnp.zeros(like.shape[1:], like.dtype) if self.centre == "memory" else ()

    def step(
        self, state: PyTree, x: Float[Array, "n d"], w: Float[Array, " n"], ctx: Context
    ) -> tuple[PyTree, Float[Array, " d"]]:
        tau = self.tau.astype(x.dtype)
        start = state if self.centre == "memory" else ctx.anchor

        v: Array = clipped_steps(x, shares(w), tau, start, self.steps)
        return (v if self.centre == "memory" else ()), jnp.where(w.max() > 0, v, 0)

    @property
    def guarantee(self) -> ClippedSteps:
        return ClippedSteps(self.tau, self.steps)
