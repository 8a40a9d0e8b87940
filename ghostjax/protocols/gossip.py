"""Gossip: every node keeps its own model and aggregates the messages of its neighbours."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._kernels import within
from ghostjax._optimizer import Optimizer
from ghostjax._random import per_node
from ghostjax._round import Received
from ghostjax._tree import select_rows
from ghostjax._types import concrete, Key, require, static_field
from ghostjax.aggregators import AbstractAggregator, in_range, Mean, outnumbered
from ghostjax.protocols._base import AbstractProtocol, Margins
from ghostjax.protocols._receivers import aggregate_each, in_slots, own_kept
from ghostjax.topologies import AbstractTopology, connected, describe, Topology


class GossipState(NamedTuple):
    """Every node's model `[n, d]` (between sending and applying: its half-step), its outer optimizer's state,
    and the memory of its rule."""

    theta: Float[Array, "n d"]
    optimizer: PyTree
    rule: PyTree


class Gossip(AbstractProtocol):
    """Every node is a receiver: it takes a local step, exchanges messages with its neighbours, and aggregates.

        x_i = optimizer(theta_i, update_i),    theta_i <- rule({x_j : j in N_i}, W_ij k_i w_j)

    The message is the half-stepped model `x_i`; N_i are node i and its neighbours, k_i of them, W the mixing
    matrix of the `topology`, w the presence of this round. With uniform mixing weights every present neighbour
    counts 1, so that a rule's `f` is a number of neighbours; the rule's anchor is `x_i`. `aggregator=None` is
    plain mixing, `Mean()`: `theta <- W x`, with rows renormalised over those present.

    **Absence:** a node is left out of the exchange if it is absent or has a half-step that is not finite. Such a node,
    and one without present neighbours, keeps its own half-step (its former model if that is not finite) and its rule's
    memory. The derivative in w is that of a message that fades. At w = 0 a node also stops receiving; the derivative
    does not contain that jump.
    **Byzantine receivers** that deviate from their half-step aggregate the messages of the others only. A node's own
    slot holds its own half-step, also where a channel changes messages.
    **Cost:** coordinate and geometric rules, and NNM before the latter, touch each neighbour slot once and need no
    `[n, k, d]` array (geometric ones the `[n, n]` distances); in a complete graph of equal edges receivers share one
    network. General rules (centered clipping, NNM before a coordinate rule, ARC, clipping, bucketing) are mapped over
    receivers at k times the memory of the messages. **Guarantee:** plain mixing conserves the mean of the models where
    W is doubly stochastic and everybody is present, and contracts their distance by `1 - spectral_gap`; robust rules,
    whose rows are not symmetric, do not conserve it even without attackers. **Traced:** every knob of the rule, the
    optimizer, and the graph itself.
    **Static:** `common_start`: whether all nodes start from one model, or each from a different one.

    **Errors:** a graph of another size than the task, a graph that is not connected, a receiver that gets too
    little weight for the rule when all are present, a rule that probes its own loss.

    ```python
    >>> import ghostjax as gj
    >>> graph = gj.topologies.ring(12, degree=4)
    >>> protocol = gj.protocols.Gossip(gj.aggregators.TrimmedMean(f=1), graph)
    >>> protocol.describe()["spectral_gap"] > 0.2
    True

    ```

    Source: Lian et al., Can Decentralized Algorithms Outperform Centralized Algorithms?, arXiv:1705.09056.
    """

    aggregator: AbstractAggregator = eqx.field(converter=lambda rule: Mean() if rule is None else rule)
    topology: AbstractTopology
    optimizer: Optimizer = eqx.field(default_factory=lambda: Optimizer(optax.sgd, learning_rate=0.1))
    common_start: bool = static_field(default=True, choices=(True, False))

    def validate(self, num_nodes: int) -> None:
        rule, graph = self.aggregator, self.topology
        call = f"Gossip({type(rule).__name__})"
        require(
            graph.num_nodes == num_nodes,
            call,
            "topology",
            f"graph of {graph.num_nodes} nodes",
            f"the task has {num_nodes} nodes; make both the same",
        )
        require(
            "probe" not in rule.needs,
            call,
            "needs",
            "probe",
            "messages reach the rule without the loss of the receiver; choose a rule that needs no probe",
        )
        if not concrete(self):
            return
        require(connected(graph), call, "topology", "not connected", "add edges until every node reaches every other")
        for one in graph.examples():
            weights = one.counts()
            margin = jax.vmap(rule.margin)(weights)
            worst = int(margin.argmin())
            weight = float(weights[worst].sum())
            require(
                margin[worst] > 0,
                call,
                "f",
                rule.guarantee.byzantine_mass(weights[worst]),
                f"receiver {worst} receives weight {weight:g} and needs more than {weight - float(margin[worst]):g}; "
                "lower f or use a topology of higher degree",
            )
            rule.validate("Gossip", weights[int(weights.sum(1).argmin())])

    def start(self, draw: Callable[[Key], Float[Array, " d"]], key: Key, num_nodes: int) -> Float[Array, "*n d"]:
        return draw(key) if self.common_start else jax.vmap(draw)(per_node(key, num_nodes))

    def init(self, theta: Float[Array, "*n d"], num_nodes: int) -> GossipState:
        models = jnp.broadcast_to(theta, (num_nodes, theta.shape[-1]))
        like = jax.ShapeDtypeStruct((self.topology.num_slots, theta.shape[-1]), theta.dtype)
        return GossipState(
            theta=models,
            optimizer=jax.vmap(self.optimizer.init)(models),
            rule=jax.vmap(lambda _: self.aggregator.init(like))(jnp.arange(num_nodes)),
        )

    def models(self, state: GossipState) -> Float[Array, "*n d"]:
        return state.theta

    def send(self, state: GossipState, updates: Float[Array, "n d"]) -> tuple[GossipState, Float[Array, "n d"]]:
        optimizer, half = jax.vmap(self.optimizer.step)(state.optimizer, updates, state.theta)
        # A step that is not finite is taken back: the node loses its message of this round and keeps its model.
        finite = jnp.isfinite(half).all(1)
        kept = select_rows(finite, (half, optimizer), (state.theta, state.optimizer))
        return state._replace(theta=kept[0], optimizer=kept[1]), half

    def receive(self, state: GossipState, received: Received, key: Key) -> tuple[GossipState, Float[Array, "*n d"]]:
        own, graph = state.theta, self._graph
        slots = graph.counts().astype(own.dtype)
        # A node that deviates ignores its own slot, which would feed its false message back to it.
        slots = slots.at[:, 0].set(jnp.where(received.deviates, 0, slots[:, 0]))
        aggregator, w, _ = in_range(self.aggregator, received.weights)
        slots_of = in_slots(received, w, graph.nbr, slots, own)
        memory, y = aggregate_each(aggregator, state.rule, slots_of, own, key)
        receives = (w > 0) & (slots_of.w.sum(1) > 0)
        after = state._replace(
            theta=jnp.where(receives[:, None], y, own), rule=select_rows(receives, memory, state.rule)
        )
        return after, after.theta

    def guarantee(
        self, w: Float[Array, " n"], edges: Float[Array, "n k"] | None, byzantine: Bool[Array, " n"]
    ) -> Margins:
        """The guarantee over present receivers, Byzantine ones included; margin inf and kappa 0 if there is none.

        `outnumbered` counts honest receivers by the mass in their slots, their own included. If all present nodes are
        Byzantine, there is no such receiver, and all of them count.
        """
        rule, w, unit = in_range(self.aggregator, w)
        received = self._graph.counts().astype(w.dtype) * w[self._graph.nbr]
        received = received if edges is None else received * own_kept(edges)
        held = byzantine[self._graph.nbr]
        over = jax.vmap(lambda slots, held: outnumbered(rule, slots, held))(received, held)
        honest = (w > 0) & ~byzantine
        lost = jnp.where(honest.any(), over & honest, w > 0)
        return Margins(
            margin=jnp.where(w > 0, within(jax.vmap(rule.margin)(received) / unit), jnp.inf).min(),
            kappa=jnp.where(w > 0, jax.vmap(rule.kappa)(received), 0).max(),
            outnumbered=lost.sum().astype(w.dtype),
        )

    def describe(self, byzantine: Any = None) -> dict[str, Any]:
        return describe(self.topology, byzantine)

    @property
    def _graph(self) -> Topology:
        assert isinstance(self.topology, Topology), "a round works with the graph of that round: protocol.at(moment)"
        return self.topology
