"""Cells are played one at a time, or several at once by one batched program of fixed width.

A batch of cells is the rollout of one cell under `vmap`. The leaves of their simulations are split in two: `common`
leaves, equal in all cells of a branch, are passed once; `stacked` leaves get a batch axis first. Batching a switch's
index would make `vmap` compute every branch, so cells of a batch are of one branch, and the index is common.
**Invariant:** the width is fixed (a last, smaller batch repeats a cell), and the split depends on the group, not on the
cells that meet in a batch. So there is one program per group, and a cell has the same bits in any company.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ghostjax._compiled import compiled
from ghostjax._rollout import rollout_first
from ghostjax._run._chunk import advance, begin, ChunkSizer, fetched, joined, rows_of, unshared
from ghostjax._run._host import Host
from ghostjax._run._loop import play
from ghostjax._simulation import Simulation
from ghostjax._training import Training


MAX_BATCH = 64


def play_one(
    training: Training, sizer: ChunkSizer, heartbeat: Callable[[], bool]
) -> tuple[dict[str, np.ndarray], Any] | None:
    """One cell by the programs of `simulate`, hence with the bits of `simulate`; None if `heartbeat` asked to stop."""
    simulation, key, weights = training.simulation, training.key, training.weights
    state = unshared(begin(simulation, key), simulation, key)

    def step(state: Any, start: int, count: int) -> Any:
        return advance((simulation, key, *rows_of(weights, start, count, sizer.capacity)), state)

    def fetch(record: Any, start: int, count: int) -> dict[str, np.ndarray]:
        return fetched(record, count)

    host = Host(stop_requested=lambda: not heartbeat())
    state, done = play(step, fetch, training.rounds, sizer, state, host)
    return None if done < training.rounds else (joined(host.pieces), state)


def play_batch(
    trainings: list[Training], shared: list[bool], width: int, sizer: ChunkSizer, heartbeat: Callable[[], bool]
) -> list[tuple[dict[str, np.ndarray], Any]] | None:
    """Up to `width` cells at once, padded to `width` by repeating the last.

    Leaf i gets no batch axis if `shared[i]`: it is equal in all cells of this structure, whichever are played together.
    Weights get one only if they are drawn by key. Both rules ignore which cells share a batch, so that the program,
    and with it the bits of a cell, does not depend on its neighbours.
    """
    filled = [*trainings, *[trainings[-1]] * (width - len(trainings))]
    common, stacked = _stack([training.simulation for training in filled], shared)
    keys = jnp.stack([training.key for training in filled])
    state = unshared(_begin_batch((common, stacked, keys)), common, stacked, keys)
    drawn = filled[0].declared is not None and filled[0].declared.drawn
    weights = np.stack([training.weights for training in filled], 1) if drawn else filled[0].weights
    rounds = filled[0].rounds

    def step(state: Any, start: int, count: int) -> Any:
        return _advance_batch((common, stacked, keys, *rows_of(weights, start, count, sizer.capacity)), state)

    def fetch(record: Any, start: int, count: int) -> dict[str, np.ndarray]:
        # Cells come first on the device; pieces are joined along the rounds.
        return {name: np.array(np.asarray(column)[:, :count].swapaxes(0, 1)) for name, column in record.items()}

    host = Host(stop_requested=lambda: not heartbeat())
    state, done = play(step, fetch, rounds, sizer, state, host)
    if done < rounds:
        return None
    record = joined(host.pieces)
    return [
        ({name: column[:, i] for name, column in record.items()}, jax.tree.map(lambda leaf, i=i: leaf[i], state))
        for i in range(len(trainings))
    ]


def shared_leaves(programs: list[Simulation], branches: list[tuple[int, ...]]) -> list[bool]:
    """For each leaf, whether it is equal in all cells of a branch. A switch's index is, so it stays unbatched."""
    first: dict[tuple[int, ...], list[Any]] = {}
    shared: list[bool] = []
    for program, branch in zip(programs, branches, strict=True):
        leaves = [leaf for leaf in jax.tree.leaves(program) if eqx.is_array(leaf)]
        known = first.setdefault(branch, leaves)
        shared = shared or [True] * len(leaves)
        shared = [
            same and (leaf is other or _equal(leaf, other))
            for same, leaf, other in zip(shared, leaves, known, strict=True)
        ]
    return shared


def default_batch(simulation: Simulation, cells: int) -> int:
    """1 on CPU, where batching gains nothing; elsewhere a power of two that leaves half of the memory free."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return 1
    state = jax.eval_shape(simulation.init, jax.random.key(0))
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    memory = (device.memory_stats() or {}).get("bytes_limit", 8 * 2**30)
    batch = 1
    # A round holds about six arrays of the size of the state: gradients, messages, their sorted copies.
    while 2 * batch <= min(cells, MAX_BATCH) and 2 * batch * 6 * size <= memory / 2:
        batch *= 2
    return batch


def _stack(simulations: list[Simulation], shared: list[bool]) -> tuple[Any, Any]:
    """The simulation with the leaves that all cells share, and the other leaves with a batch axis first."""
    arrays, static = zip(*(eqx.partition(simulation, eqx.is_array) for simulation in simulations), strict=True)
    columns = [jax.tree.leaves(tree) for tree in arrays]
    treedef = jax.tree.structure(arrays[0])
    rows = list(zip(*columns, strict=True))
    common = [row[0] if same else None for row, same in zip(rows, shared, strict=True)]
    stacked = [None if same else jnp.stack(row) for row, same in zip(rows, shared, strict=True)]
    return eqx.combine(jax.tree.unflatten(treedef, common), static[0]), jax.tree.unflatten(treedef, stacked)


@compiled
def _begin_batch(constants: Any) -> Any:
    common, stacked, keys = constants
    return jax.vmap(lambda varying, key: eqx.combine(common, varying).init(key))(stacked, keys)


@compiled(donate="all-except-first")
def _advance_batch(constants: Any, state: Any) -> Any:
    common, stacked, keys, rows, count = constants

    def cell(varying: Any, key: Any, state: Any, rows: Any) -> Any:
        return rollout_first(eqx.combine(common, varying), key, rows, state, count)

    # Rows of weights are `[rounds, n]` for all cells or, if drawn by key, `[rounds, cells, n]`.
    return jax.vmap(cell, in_axes=(0, 0, 0, None if rows.ndim == 2 else 1))(stacked, keys, state, rows)


def _equal(a: Any, b: Any) -> bool:
    if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
        return False
    return a.size == 1 and b.size == 1 and np.array_equal(np.asarray(a), np.asarray(b), equal_nan=a.dtype.kind == "f")
