"""An electorate: fewer come from vote to vote."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

import ghostjax as gj
from ghostjax.governance import AbstractElectorate, Kind


class Tired(AbstractElectorate):
    """Honest members come with probability `fatigue^v`, v votes held before, and judge right; nobody is bribed.

    **Traced:** `fatigue`. **State:** votes held.
    """

    fatigue: Float[Array, ""] = gj.ops.real_field(default=0.8, low=0, high=1)

    def init(self, num_nodes: int) -> Int[Array, ""]:
        return jnp.zeros((), jnp.int32)

    def spoken_for(self, people: gj.People) -> Bool[Array, " n"]:
        return people.byzantine

    def vote(self, state: Any, motion: gj.Motion, people: gj.People, key: Any) -> tuple[Any, gj.Ballots]:
        held = self.spoken_for(people)
        coming = self.fatigue ** state.astype(self.fatigue.dtype)
        comes = jax.random.uniform(gj.stream(key, "comes"), held.shape, coming.dtype) < coming
        yes = (motion.kind == Kind.ALARM) & held.any() & ~held
        return state + motion.votes.astype(state.dtype), gj.Ballots(yes, motion.votes & (held | comes))
