"""An attack: against the honest mean, in every other stretch of rounds."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

import ghostjax as gj
from ghostjax.attacks import AbstractStatelessAttack, Sent, View


class Pulses(AbstractStatelessAttack):
    """Sends `-scale` times the honest mean in rounds of odd stretches of length `period`, and is honest in the others.

    **Knows:** honest messages. **Traced:** `scale`, `period`. **State:** none.
    """

    scale: Float[Array, ""] = gj.ops.real_field(default=2.0)
    period: Int[Array, ""] = gj.ops.count_field(default=2, low=1)
    knows = "honest"

    def corrupt(self, state, view: View) -> tuple[tuple, Sent]:
        mean = gj.ops.weighted_mean(view.messages, view.honest)
        active = view.byzantine & ((view.round // self.period) % 2 == 1)
        scale = self.scale.astype(mean.dtype)
        return state, Sent(jnp.where(active[:, None], -scale * mean[None, :], view.messages))
