"""What an identity should have sent in a round, computed by one program that has the same bits wherever it is asked."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ghostjax._compiled import compiled
from ghostjax._random import Moment, per_node
from ghostjax._simulation import Simulation
from ghostjax._step import this_round
from ghostjax._types import Key, require
from ghostjax.learners import local_gradients
from ghostjax.ledger._identities import is_per_identity, with_identity


WIDTH = 16
"""Identities that the program takes; fewer are filled up, so that a row has the same bits whoever is asked with it."""


class CanonicalReplay:
    """The rows that identities send in a round if they follow the protocol: one identity after the other, alone.

    `rows(key, round, models, memory, who)` computes them from the model `[d]` that comes into the round (in gossip
    it is a part of the memory), the memories `[a, ...]` of the identities `who` and the root key: their
    batches are those of the round's named streams, without what an adversary makes of them. **Guarantee:** on one
    backend and one version of jaxlib the bits of a row depend on these alone, not on the number of identities, who
    else is asked for, or their order: a program for one identity is mapped over 16 places. Against the training's own
    program, which takes all identities at once, rows agree up to the rounding of sums. Channels are not replayed: a
    channel that alters rows shows as a deviation of everybody.
    """

    def __init__(self, simulation: Simulation):
        self.simulation = simulation

    def rows(
        self, key: Key, round: int, models: Any, memory: Mapping[str, Any], who: Sequence[int]
    ) -> Float[np.ndarray, "a d"]:
        """The rows `[a, d]` of the identities `who`, at most 16."""
        require(0 < len(who) <= WIDTH, "CanonicalReplay", "who", list(who), f"name 1 to {WIDTH} identities")
        fill = [*who, *[who[0]] * (WIDTH - len(who))]
        at = [list(who).index(one) for one in fill]
        filled = {name: jnp.asarray(np.asarray(leaf)[at]) for name, leaf in memory.items()}
        theta = None if self.simulation.protocol.topology is not None else jnp.asarray(models)
        found = _rows(self.simulation, key, jnp.int32(round), theta, filled, jnp.asarray(fill, jnp.int32))
        return np.asarray(found)[: len(who)]


@compiled
def _rows(
    simulation: Simulation, key: Key, round: Int[Array, ""], theta: Float[Array, " d"] | None, memory: dict[str, Array],
    who: Int[Array, " m"],
) -> Float[Array, "m d"]:  # fmt: skip
    at, n = Moment(key, round), simulation.num_nodes
    sim = this_round(simulation, at)
    # What is not an identity's own is that of the state before any round: a message does not depend on it.
    blank = simulation.init(key, theta)
    # Drawn once for all places: everybody's first batch is in one draw of the task.
    first = sim.task.sample(at("batch", 0)), per_node(at("node", 0), n)

    def one(given: tuple[Array, dict[str, Array]]) -> Array:
        i, own = given

        def place(leaf: Array) -> Array:
            return jax.lax.dynamic_slice_in_dim(leaf, i, 1)

        def objective(models: Array, draw: Any) -> tuple[Array, Array]:
            again = not (isinstance(draw, int) and draw == 0)
            drawn = (sim.task.sample(at("batch", draw)), per_node(at("node", draw), n)) if again else first
            batch, keys = jax.tree.map(place, drawn)
            return local_gradients(sim.task, sim.ravel, models, batch, keys)

        state = with_identity(simulation, blank, {name: leaf[None] for name, leaf in own.items()})
        learner = jax.tree.map(lambda leaf: place(leaf) if is_per_identity(leaf, n) else leaf, sim.learner)
        _, updates, _ = learner.learn(state.learner, sim.protocol.models(state.protocol), objective)
        return sim.protocol.send(state.protocol, updates)[1][0]

    return jax.lax.map(one, (who, memory))
