"""A sequential test: an exponentially weighted moving average."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

import ghostjax as gj
from ghostjax.detectors import AbstractTest


class EWMAState(NamedTuple):
    """The average, and the round since which it is positive, -1 otherwise."""

    average: Float[Array, "*s"]
    since: Int[Array, "*s"]


class EWMA(AbstractTest):
    """`S <- (1 - share) S + share x`, alarm where `S >= h`; nan is no observation. **Traced:** `share`, `h`."""

    share: Float[Array, ""] = gj.ops.real_field(default=0.3, low=0, high=1)
    h: Float[Array, ""] = gj.ops.real_field(default=2.0, low=0)

    def init(self, like: Any) -> EWMAState:
        return EWMAState(jnp.zeros(like.shape, like.dtype), jnp.full(like.shape, -1, jnp.int32))

    def step(self, state: EWMAState, x: Float[Array, "*s"], round: Int[Array, ""]) -> tuple[EWMAState, gj.Reading]:
        share, observed = self.share.astype(x.dtype), ~jnp.isnan(x)
        average = jnp.where(observed, (1 - share) * state.average + share * x, state.average)
        since = jnp.where(average > 0, jnp.where(state.since < 0, round, state.since), -1)
        since = jnp.where(observed, since, state.since)
        alarm = (average >= self.h.astype(x.dtype)) & (average > 0)
        return EWMAState(average, since), gj.Reading(average, alarm, since)
