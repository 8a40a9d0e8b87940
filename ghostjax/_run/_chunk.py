"""The compiled chunks that the host plays one after the other, and their lengths."""

import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._border import shown, whole
from ghostjax._compiled import compiled
from ghostjax._rollout import rollout_first
from ghostjax._round import State
from ghostjax._simulation import Record, Simulation
from ghostjax._training import LARGEST
from ghostjax._types import Key, require


CAPACITY = 64
"""Compiled rows of an automatic chunk. The number of them that is played is traced."""
CHUNK_SECONDS = 1.0
"""Seconds that an automatic chunk should take. Signals, progress and heartbeats wait for its end."""


@compiled
def begin(simulation: Simulation, key: Key) -> State:
    """The state before the first round. Compiled once per structure."""
    return simulation.init(key)


@compiled(donate="all-except-first")
def advance(constants: tuple[Simulation, Key, Any, Any], state: State) -> tuple[State, Record]:
    """Plays a chunk. Compiled once per structure, for all values of the knobs, keys and numbers of rounds.

    The state is donated: the next one is written in its place.
    """
    simulation, key, rows, count = constants
    return rollout_first(simulation, key, rows, state, count)


def unshared(state: Any, *foreign: Any) -> Any:
    """`state` without shared buffers, so that all of it can be donated.

    A leaf that is also in `foreign` (a knob, the key), or twice in the state, is copied.
    """
    seen = {id(leaf) for leaf in jax.tree.leaves(foreign)}

    def single(leaf: Any) -> Any:
        if id(leaf) in seen:
            return jnp.copy(leaf)
        seen.add(id(leaf))
        return leaf

    return jax.tree.map(single, state)


class ChunkSizer:
    """How many rounds each chunk plays: `chunk` of them, or as many as take about `CHUNK_SECONDS` seconds."""

    def __init__(self, chunk: int | str, call: str):
        self._fixed = not isinstance(chunk, str)
        if isinstance(chunk, str):
            require(chunk == "auto", call, "chunk", shown(chunk), "'auto' or at least 1")
        self.capacity = CAPACITY if isinstance(chunk, str) else whole(chunk, call, "chunk", 1, LARGEST)
        self._next = self.capacity if self._fixed else 1
        self._clock: float | None = None

    def take(self, left: int) -> int:
        """Rounds of the next chunk when `left` are left."""
        return min(self._next, left)

    def begin(self) -> None:
        """Before a first chunk: it may compile, so its time is not used."""
        self._clock = None

    def lap(self, rounds: int) -> None:
        """A chunk of `rounds` has ended."""
        now = time.monotonic()
        if self._clock is not None:
            self._learn(rounds, now - self._clock)
        self._clock = now

    def rest(self) -> None:
        """Excludes the time since the last chunk ended, in which the host worked."""
        if self._clock is not None:
            self._clock = time.monotonic()

    def _learn(self, rounds: int, seconds: float) -> None:
        if not self._fixed:
            fitting = int(CHUNK_SECONDS * rounds / max(seconds, 1e-6))
            self._next = max(1, min(fitting, 8 * rounds, self.capacity))


def rows_of(weights: np.ndarray, start: int, count: int, capacity: int) -> tuple[Any, Any]:
    """Rows `start : start + count` padded to `capacity`, and the count, as the compiled chunk takes them."""
    rows = np.zeros((capacity, *weights.shape[1:]), weights.dtype)
    rows[:count] = weights[start : start + count]
    return jnp.asarray(rows), jnp.asarray(count, jnp.int32)


def joined(pieces: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Records of consecutive chunks as one."""
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]} if pieces else {}


def fetched(record: Record, count: int) -> dict[str, np.ndarray]:
    """The rows of the record that a chunk played, on the host."""
    return {name: np.array(np.asarray(column)[:count]) for name, column in record.items()}


def named_leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every leaf with its path as text."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        yield jax.tree_util.keystr(path), leaf
