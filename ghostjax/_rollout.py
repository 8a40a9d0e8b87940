"""A whole training as one pure function of the participation weights."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._round import State
from ghostjax._simulation import Record, Simulation
from ghostjax._types import Key


def rollout(
    simulation: Simulation,
    key: Key,
    participation: Float[Array, "T n"],
    state: State | None = None,
    active: Bool[Array, " T"] | None = None,
) -> tuple[State, Record]:
    """Plays one round per row of `participation` and returns the final state and the record of every round.

    A pure function: map it (`vmap`, `lax.map`), differentiate it in the weights, or place it in another
    program. Starts from `simulation.init(key)` unless a `state` is given; randomness depends on `key` and the
    absolute round only, so cutting a training in pieces does not change a bit. Rounds that are not `active`
    change nothing and record nan (zeros for integers); this is how a host loop keeps one compiled length.
    """
    state = simulation.init(key) if state is None else state

    def play(state: State, w: Array) -> tuple[State, Record]:
        return simulation.step(state, w, key)

    if active is None:
        return jax.lax.scan(play, state, participation)

    def guarded(state: State, row: tuple[Array, Array]) -> tuple[State, Record]:
        w, on = row
        shapes = jax.eval_shape(play, state, w)[1]
        blank = jax.tree.map(_blank, shapes)
        return jax.lax.cond(on, play, lambda state, w: (state, blank), state, w)

    return jax.lax.scan(guarded, state, (participation, active))


def _blank(like: jax.ShapeDtypeStruct) -> Array:
    fill = jnp.nan if jnp.issubdtype(like.dtype, jnp.inexact) else 0
    return jnp.full(like.shape, fill, like.dtype)
