"""Runs of an incident in one program each: batches of keys, with whoever takes part in them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ghostjax._compiled import compiled
from ghostjax._cores import usable_cores
from ghostjax._rollout import rollout_first
from ghostjax._round import State
from ghostjax._simulation import Record, Simulation
from ghostjax._tree import replaced
from ghostjax.attribution import Outcome
from ghostjax.attribution._adjoint import gradient_at


class Keys(eqx.Module):
    """Root keys as plain data, `[m, k]`: what is a key only inside a program cannot be used twice outside of one."""

    data: Any
    impl: Any = eqx.field(static=True)

    @classmethod
    def of(cls, keys: Sequence[Any]) -> "Keys":
        """Those of a list of root keys, all of one kind."""
        typed = jnp.issubdtype(keys[0].dtype, jax.dtypes.prng_key)
        impl = str(jax.random.key_impl(keys[0])) if typed else None
        return cls(np.stack([np.asarray(jax.random.key_data(key) if typed else key) for key in keys]), impl)

    @property
    def key(self) -> Any:
        """One of them."""
        return self.data if self.impl is None else jax.random.wrap_key_data(self.data, impl=self.impl)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> "Keys":
        return Keys(self.data[i], self.impl)


def _of(simulation: Simulation, byzantine: Bool[Array, " n"]) -> Simulation:
    return replaced(simulation, byzantine=byzantine)


@compiled
def _first_states(simulation: Simulation, keys: Keys) -> State:
    # One after the other: a batch of random numbers takes three times as long to compile.
    return jax.lax.map(lambda one: simulation.init(one.key), keys)


@compiled
def _rounds(
    simulation: Simulation,
    keys: Keys,
    states: State,
    byzantine: Bool[Array, "m n"],
    weights: Float[Array, "m T n"],
    counts: Int[Array, " m"],
) -> tuple[State, Record]:
    def one(case: Any) -> tuple[State, Record]:
        key, state, held, w, count = case
        return rollout_first(_of(simulation, held), key.key, w, state, count)

    return jax.lax.map(one, (keys, states, byzantine, weights, counts))


@compiled
def _gradients(
    simulation: Simulation,
    keys: Keys,
    byzantine: Bool[Array, "m n"],
    weights: Float[Array, "m T n"],
    counts: Int[Array, " m"],
    outcome: Outcome,
) -> tuple[Float[Array, " m"], Float[Array, "m T n"]]:
    def one(case: Any) -> tuple[Array, Array]:
        key, held, w, count = case
        return gradient_at(_of(simulation, held), key.key, w, outcome, count)

    return jax.lax.map(one, (keys, byzantine, weights, counts))


SIZE = 4
"""Runs in one call of a program: few, so that two threads share the work evenly."""


def first_states(simulation: Simulation, keys: Keys) -> Any:
    """The state before the first round, for every key."""
    return _in_batches(lambda part: _first_states(simulation, part), (keys,), len(keys))


def rounds(
    simulation: Simulation, keys: Keys, states: Any, byzantine: np.ndarray, weights: np.ndarray, counts: np.ndarray
) -> tuple[Any, dict[str, np.ndarray]]:
    """The first `counts[i]` rounds of run i from `states[i]`: the states after them, and records `[m, T, ...]`."""
    return _in_batches(
        lambda *parts: _rounds(simulation, *parts), (keys, states, byzantine, weights, counts), len(counts)
    )


def gradients(
    simulation: Simulation, keys: Keys, byzantine: np.ndarray, weights: np.ndarray, counts: np.ndarray, outcome: Outcome
) -> tuple[np.ndarray, np.ndarray]:
    """The outcome after `counts[i]` rounds of run i, `[m]`, and its derivative by every weight, `[m, T, n]`."""
    columns = (keys, byzantine, weights, counts)
    return _in_batches(lambda *parts: _gradients(simulation, *parts, outcome), columns, len(counts))


def _in_batches(call: Callable, columns: Sequence[Any], total: int) -> Any:
    """`call` on rows of `columns`, `SIZE` at a time, the last batch filled up with its last row; cores share them.

    One program serves all batches. A row's bits depend neither on its neighbours nor on the number of threads.
    """
    starts = range(0, total, SIZE)

    def batch(start: int) -> Any:
        chosen = np.minimum(np.arange(start, start + SIZE), total - 1)
        found = call(*(jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], column) for column in columns))
        return jax.block_until_ready(found)

    first = batch(0)  # compiled once, before threads share the program
    with ThreadPoolExecutor(max(1, usable_cores())) as pool:
        pieces = [first, *pool.map(batch, starts[1:])]

    def joined(*leaves: Any) -> Any:
        return np.concatenate([np.asarray(leaf) for leaf in leaves])[:total]

    return jax.tree.map(joined, *pieces)
