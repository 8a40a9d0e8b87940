"""Fang's attack on Krum: the largest step against the honest mean that the defence still selects."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import squared_distances_to
from ghostjax._types import real_field, static_field
from ghostjax.attacks._base import AbstractStatelessAttack, Knowledge, same_for_all, Sent, View
from ghostjax.attacks._statistics import honest_mean, honest_unit


class FangKrum(AbstractStatelessAttack):
    """All Byzantine identities send the longest step against the sign of the honest mean that Krum still selects.

        m = -lambda sign(mean_H),    lambda the first of scale, scale / 2, ..., scale / 2^halvings
                                     whose m the defence selects, the last one if it selects none

    m is selected if the result of the defence is nearer to m than to any honest row: for Krum, if Krum returns m. The
    attack runs against any rule at a server, but is meaningful only against rules that select.

    **Knows:** the defence, with its memory and its randomness of this round, and every honest message.
    **Traced:** `scale`. **Static:** `halvings` (the reference stops at 1e-5). **State:** none. **Cost:**
    `halvings + 1` calls of the defence a round, one after the other. In gossip the condition is averaged over all
    honest receivers. Errors: negative `halvings`.

    Source: Fang et al., Local Model Poisoning Attacks to Byzantine-Robust Federated Learning, arXiv:1911.11815.
    """

    scale: Float[Array, ""] = real_field(default=1.0, low=0)
    halvings: int = static_field(default=16, whole=True, low=0)
    knows: ClassVar[Knowledge] = "defence"

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        x, honest = view.messages, view.honest
        against = -jnp.sign(honest_mean(view))
        unit = honest_unit(view)
        seen = unit * x
        steps = self.scale.astype(x.dtype) * jnp.exp2(-jnp.arange(self.halvings + 1, dtype=x.dtype))

        def selected(step: Array) -> Array:
            results = view.respond(jnp.broadcast_to(step * against, x.shape)).reshape(-1, x.shape[1])
            counted = honest if len(results) == len(honest) > 1 else jnp.ones(len(results), x.dtype)

            def margin(y: Array) -> Array:
                nearest = jnp.where(honest > 0, squared_distances_to(seen, unit * y), jnp.inf).min()
                return nearest - jnp.square(unit * (y - step * against)).sum()

            margins = jax.lax.map(margin, results)
            return jnp.where(counted > 0, margins, 0).sum() > 0

        accepted = jax.lax.map(selected, steps)
        first = jnp.where(accepted.any(), jnp.argmax(accepted), self.halvings)
        return state, same_for_all(view, steps[first] * against)
