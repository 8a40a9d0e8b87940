"""What an identity is in a round: its memory, the row that it sends, and what that counts for; and a root over all."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from ghostjax._compiled import compiled
from ghostjax._random import Moment
from ghostjax._round import State
from ghostjax._simulation import Simulation
from ghostjax._step import arrive
from ghostjax._types import Key
from ghostjax.ledger._entries import sha256
from ghostjax.ledger._merkle import leaf_hash, Tree


class Scene(NamedTuple):
    """What comes into a round, on the host: models `[d]` or `[n, d]`, the memory of each identity, rows that arrive.

    `memory` are the leaves of learner and protocol that have an axis of identities, `[n, ...]` each, by name; `rows`
    `[n, d]` and `weights [n]` are what the round's receivers get.
    """

    models: np.ndarray
    memory: dict[str, np.ndarray]
    rows: np.ndarray
    weights: np.ndarray

    def leaf(self, identity: int) -> bytes:
        """What is committed of one identity."""
        memory = [self.memory[name][identity] for name in sorted(self.memory)]
        return identity_leaf(identity, memory, self.rows[identity], self.weights[identity])

    def tree(self, audited: list[int]) -> Tree:
        """The tree over the leaves of the identities that are audited."""
        return Tree(leaf_hash(self.leaf(identity)) for identity in audited)


def identity_leaf(identity: int, memory: list[Any], row: Any, weight: Any) -> bytes:
    """The bytes of an identity's leaf."""
    said = {"identity": identity, "memory": sha256(*memory), "row": sha256(row), "weight": sha256(weight)}
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def sha256_of_tree(tree: Any) -> str:
    """The sha256 of every leaf of a state, in order."""
    return sha256(*(_plain(leaf) for leaf in jax.tree.leaves(tree)))


def scene(simulation: Simulation, state: State, presence: Any, key: Key) -> Scene:
    """What comes into the round after `state`, and what arrives in it.

    A program of its own plays the first half of the round: its rows agree with those of the training's program up to
    the rounding of sums, and are equal in every call on one backend.
    """
    rows, weights = _arriving(simulation, state, presence, key)
    memory = {name: _plain(leaf) for name, leaf in per_identity(simulation, state).items()}
    models = np.asarray(simulation.protocol.models(state.protocol))
    return Scene(models, memory, np.asarray(rows), np.asarray(weights))


def per_identity(simulation: Simulation, state: State) -> dict[str, Any]:
    """Leaves of the learner's memory, and in gossip of the protocol's, whose first axis are the identities."""
    named = jax.tree_util.tree_flatten_with_path(_parts(simulation, state))[0]
    n = simulation.num_nodes
    return {jax.tree_util.keystr(path): leaf for path, leaf in named if is_per_identity(leaf, n)}


def with_identity(simulation: Simulation, state: State, own: Mapping[str, Any]) -> State:
    """`state` with the leaves of a single identity, `[1, ...]`, in the place of those of all of them."""
    parts = jax.tree_util.tree_map_with_path(
        lambda path, leaf: own.get(jax.tree_util.keystr(path), leaf), _parts(simulation, state)
    )
    return state._replace(**parts)


def is_per_identity(leaf: Any, n: int) -> bool:
    """Whether an array has the axis of `n` identities first."""
    return bool(np.ndim(leaf)) and np.shape(leaf)[0] == n


def _parts(simulation: Simulation, state: State) -> dict[str, Any]:
    graph = simulation.protocol.topology
    return {"learner": state.learner} | ({} if graph is None else {"protocol": state.protocol})


def _plain(leaf: Any) -> np.ndarray:
    extended = isinstance(leaf, jax.Array) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.extended)
    return np.asarray(jax.random.key_data(leaf) if extended else leaf)


@compiled
def _arriving(
    simulation: Simulation, state: State, presence: Float[Array, " n"], key: Key
) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
    """The rows that the receivers of the next round get, and what they count for."""
    received = arrive(simulation, state, presence, Moment(key, state.round)).received
    return received.x, received.weights
