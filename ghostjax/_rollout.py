"""A whole training as one pure function of the participation weights."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ghostjax._output import Output
from ghostjax._round import State
from ghostjax._simulation import Record, Simulation
from ghostjax._types import Key


def rollout(
    simulation: Simulation,
    key: Key,
    participation: Float[Array, "T n"],
    state: State | None = None,
) -> tuple[State, Record]:
    """Plays one round per row of `participation` and returns the final state and the record of every round.

    A pure function: map it (`vmap`, `lax.map`), differentiate it in the weights, or place it in another
    program. It starts from `simulation.init(key)` unless a `state` is given. Randomness depends on `key` and the
    absolute round only, so cutting a training in pieces does not change a bit.

    Weights count identities. Nothing is checked or refused here, since weights may be traced. Rescale shares that sum
    to 1 by `gj.stake(shares).weights` first; otherwise a rule's `f` and an attack's counts have another meaning.
    """
    state = simulation.init(key) if state is None else state

    def play(state: State, w: Array) -> tuple[State, Record]:
        return simulation.step(state, w, key)

    end, record = jax.lax.scan(play, state, participation)
    outputs, rounds = simulation.outputs, state.round + jnp.arange(participation.shape[0], dtype=state.round.dtype)
    return end, {name: _with_blanks(column, outputs[name], rounds) for name, column in record.items()}


@eqx.filter_jit
def one_step(simulation: Simulation, state: State, w: Float[Array, " n"], key: Key) -> tuple[State, Record]:
    """One round as a separate program that is only traced: the trace shows what a round records and computes."""
    return simulation.step(state, w, key)


def rollout_first(
    simulation: Simulation, key: Key, participation: Float[Array, "T n"], state: State, count: Int[Array, ""]
) -> tuple[State, Record]:
    """Plays the first `count` rows only; `count` is traced, so one program serves every number up to T.

    The record always has T rows. Rows after the first `count` hold 0, and so do entries that were not due. A deliberate
    nan there would trip `jax_debug_nans`, so the host writes it (`with_blanks`). The loop runs `count` times and does
    not mask, so the cost of a chunk is that of its rounds. Forward mode only.
    """

    def play(i: Array, carry: tuple[State, Record]) -> tuple[State, Record]:
        state, record = carry
        state, row = simulation.step(state, participation[i], key)
        return state, jax.tree.map(lambda column, value: column.at[i].set(value), record, row)

    row = eqx.filter_eval_shape(one_step, simulation, state, participation[0], key)[1]
    length = participation.shape[0]
    record = jax.tree.map(lambda like: jnp.zeros((length, *like.shape), like.dtype), row)
    return jax.lax.fori_loop(0, count, play, (state, record))


def _with_blanks(column: Array, output: Output, rounds: Int[Array, " T"]) -> Array:
    """nan where an entry was not due."""
    if output.every == 1 or not jnp.issubdtype(column.dtype, jnp.inexact):
        return column
    due = output.due(rounds).reshape(-1, *(1,) * (column.ndim - 1))
    return jnp.where(due, column, jnp.nan)
