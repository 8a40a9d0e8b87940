"""Mimic with a learned direction: copies of the honest identity that stands out most."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ghostjax._random import stream
from ghostjax._tree import select
from ghostjax._types import count_field
from ghostjax.attacks._base import AbstractMessageAttack, Knowledge, same_for_all, Sent, View
from ghostjax.attacks._statistics import honest_mean, honest_unit, normalise


class MimicState(NamedTuple):
    """Rounds learned, the running honest mean `[d]`, the direction `[d]`, the identity to copy."""

    steps: Int[Array, ""]
    mean: Float[Array, " d"]
    direction: Float[Array, " d"]
    target: Int[Array, ""]


class MimicHeuristic(AbstractMessageAttack):
    """All Byzantine identities copy the honest identity that leads along the direction of largest spread.

    In its first `warmup` rounds (t = 0, 1, ...) the adversary runs one step of online principal component
    analysis, with g over the present honest messages:

        mean <- (t mean + mean_H) / (1 + t)
        z    <- normalise((t z + normalise(sum_g w_g <g - mean, z> (g - mean))) / (1 + t))

    from a random normal z. In those rounds it copies `argmax_g <g, z>`, and in all later rounds the last of these. A
    round without honest identities changes nothing. While the chosen identity is absent, the argmax of the round is
    copied. One power step (`warmup=1`, the default and that of the reference's code) finds a direction that is largely
    random: more rounds give the heuristic of the paper's text.

    **Knows:** every honest message of the rounds so far. **Traced:** `warmup` (0 never learns and copies the
    identity that leads along a zero direction, the first one present). **State:** mean and direction, 2 d.
    Ties go to the lowest index.

    Source: Karimireddy et al., Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing,
    arXiv:2006.09365.
    """

    warmup: Int[Array, ""] = count_field(default=1, low=0)
    knows: ClassVar[Knowledge] = "honest"

    def init(self, like: Any) -> PyTree:
        _, d = like.shape
        zero, zeros = jnp.zeros((), jnp.int32), jnp.zeros((d,), like.dtype)
        return MimicState(zero, zeros, zeros, zero)

    def corrupt(self, state: PyTree, view: View) -> tuple[PyTree, Sent]:
        honest = view.honest > 0
        learning = (state.steps < self.warmup) & honest.any()
        # Drawn in every round and used in the first only: inside the branch, a mapped run would select between keys.
        start = self._start(view)
        learned = jax.lax.cond(learning, lambda: self._learn(state, view, start), lambda: state)
        leader = jnp.argmax(jnp.where(honest, view.messages @ learned.direction, -jnp.inf)).astype(jnp.int32)
        fixed = ~learning & (state.steps > 0) & honest[state.target]
        target = jnp.where(fixed, state.target, leader)
        state = select(learning, learned._replace(target=target), state)
        return state, same_for_all(view, jnp.where(honest.any(), view.messages[target], 0))

    def _learn(self, state: MimicState, view: View, start: Float[Array, " d"]) -> MimicState:
        x, honest = view.messages, view.honest
        t = state.steps.astype(x.dtype)
        mean = (t * state.mean + honest_mean(view)) / (1 + t)
        direction = jnp.where(t > 0, state.direction, start)
        centred = honest_unit(view) * (x - mean[None, :])
        power = normalise((honest * (centred @ direction)) @ centred)
        return MimicState(state.steps + 1, mean, normalise((t * direction + power) / (1 + t)), state.target)

    def _start(self, view: View) -> Float[Array, " d"]:
        _, d = view.messages.shape
        return jax.random.normal(stream(view.key, "direction"), (d,), view.messages.dtype)
