"""Gossip: every node keeps its own model and aggregates what its neighbours send."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import balanced, within
from ghostjax._optimizer import Optimizer
from ghostjax._types import concrete, Key, require
from ghostjax.aggregators import AbstractAggregator, in_range, Mean, outnumbered
from ghostjax.protocols._base import AbstractProtocol, require_enough, require_masses
from ghostjax.protocols._receivers import aggregate_each, hear
from ghostjax.topologies import connected, describe, Topology


class GossipState(NamedTuple):
    """Every node's model `[n, d]` (between sending and applying: its half-step), its outer optimizer's state,
    and the memory of its rule."""

    theta: Float[Array, "n d"]
    optimizer: PyTree
    rule: PyTree


class Gossip(AbstractProtocol):
    """Every node is a receiver: a step of its own, an exchange with its neighbours, an aggregation.

        x_i = optimizer(theta_i, update_i),    theta_i <- rule({x_j : j in N_i}, W_ij k_i w_j)

    The message is the half-stepped model `x_i`; N_i are node i and its neighbours, k_i of them, W the mixing
    matrix of the `topology`, w the presence of this round. With uniform mixing weights every present neighbour
    counts 1, so that a rule's `f` is a number of neighbours; the rule's anchor is `x_i`. `aggregator=None` is
    plain mixing, `Mean()`: `theta <- W x`, with rows renormalised over those present.

    **Absence:** a node that is absent, hears nobody, or whose half-step is not finite is not heard and hears
    nothing: it keeps its own half-step (if that is not finite, its model of before) and its rule's memory.
    A derivative in w is that of being heard less: the jump at exactly 0, where a node stops hearing too, has none.
    **Byzantine receivers** that send something else than their half-step aggregate what the others send.
    **Cost:** coordinate and geometric rules, and NNM before the latter, touch each neighbour slot once and need no
    `[n, k, d]` array (geometric ones the `[n, n]` distances); in a complete graph of equal edges receivers share one
    network. General rules (centered clipping, NNM before a coordinate rule, ARC, clipping, bucketing) are mapped over
    receivers at k times the memory of the messages. **Guarantee:** plain mixing conserves the mean of the models where
    W is doubly stochastic and everybody is present, and contracts their distance by `1 - spectral_gap`; robust rules,
    whose rows are not symmetric, do not conserve it even without attackers. **Traced:** every knob of the rule, the
    optimizer, and the graph itself.

    **Errors:** a graph of another size than the task, a graph that is not connected, a receiver that hears too
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
    topology: Topology
    optimizer: Optimizer = eqx.field(default_factory=lambda: Optimizer(optax.sgd, learning_rate=0.1))

    def validate(self, num_nodes: int, learner: Any, attack: Any) -> None:
        del learner, attack
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
        require_masses("Gossip", rule)
        if not concrete(self):
            return
        require(connected(graph), call, "topology", "not connected", "add edges until every node reaches every other")
        weights = self._slots
        slack = jax.vmap(rule.slack)(weights)
        worst = int(slack.argmin())
        hears = float(weights[worst].sum())
        require(
            slack[worst] > 0,
            call,
            "f",
            getattr(rule, "f", None),
            f"receiver {worst} hears weight {hears:g} and needs more than {hears - float(slack[worst]):g}; "
            "lower f or use a topology of higher degree",
        )
        require_enough("Gossip", rule, weights[int(weights.sum(1).argmin())])

    def init(self, theta: Float[Array, " d"], num_nodes: int) -> GossipState:
        models = jnp.broadcast_to(theta, (num_nodes, theta.shape[0]))
        heard = jax.ShapeDtypeStruct((self.topology.nbr.shape[1], theta.shape[0]), theta.dtype)
        return GossipState(
            theta=models,
            optimizer=jax.vmap(self.optimizer.init)(models),
            rule=jax.vmap(lambda _: self.aggregator.init(heard))(jnp.arange(num_nodes)),
        )

    def models(self, state: GossipState) -> Float[Array, "*n d"]:
        return state.theta

    def send(self, state: GossipState, updates: Float[Array, "n d"]) -> tuple[GossipState, Float[Array, "n d"]]:
        optimizer, half = jax.vmap(self.optimizer.step)(state.optimizer, updates, state.theta)
        # A step that left the numbers is taken back: the message is lost, the node is not.
        finite = jnp.isfinite(half).all(1)
        kept = _rows(finite, (half, optimizer), (state.theta, state.optimizer))
        return state._replace(theta=kept[0], optimizer=kept[1]), half

    def aggregate(
        self,
        state: GossipState,
        x: Float[Array, "n d"],
        by_receiver: Float[Array, "n d"] | None,
        byzantine: Array,
        w: Float[Array, " n"],
        key: Key,
    ) -> tuple[GossipState, Float[Array, "*n d"]]:
        own = state.theta
        # What a Byzantine node tells others is not what it believes: its own slot would feed its lie back to it.
        lies = byzantine & (x != own).any(1)
        slots = self._slots.astype(x.dtype)
        slots = slots.at[:, 0].set(jnp.where(lies, 0, slots[:, 0]))
        aggregator, w, _ = in_range(self.aggregator, w)
        heard = hear(x, by_receiver, byzantine, w, self.topology.nbr, slots)
        rule, y = aggregate_each(aggregator, state.rule, heard, own, key)
        hears = (w > 0) & (heard.w.sum(1) > 0)
        return state._replace(rule=_rows(hears, rule, state.rule)), jnp.where(hears[:, None], y, own)

    def apply(
        self, before: GossipState, after: GossipState, result: Float[Array, "*n d"], w: Float[Array, " n"]
    ) -> GossipState:
        del before, w
        return after._replace(theta=result)

    def slack(self, state: GossipState, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The smallest slack over present receivers, Byzantine ones included; inf if there is none."""
        del state
        rule, w, unit = in_range(self.aggregator, w)
        return jnp.where(w > 0, within(jax.vmap(rule.slack)(self._present(w)) / unit), jnp.inf).min()

    def outnumbered(self, w: Float[Array, " n"], byzantine: Array) -> Float[Array, ""]:
        """Each present honest receiver by the mass that it hears from its neighbours, its own included.

        Where all who are present are Byzantine there is no such receiver: all of them count.
        """
        rule, w, _ = in_range(self.aggregator, w)
        over = jax.vmap(lambda slots, held: outnumbered(rule, slots, held))(
            self._present(w), byzantine[self.topology.nbr]
        )
        honest = (w > 0) & ~byzantine
        lost = jnp.where(honest.any(), over & honest, w > 0)
        return lost.sum().astype(w.dtype)

    def kappa(self, state: GossipState, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The largest kappa over present receivers, Byzantine ones included; 0 if there is none."""
        del state
        rule, w, _ = in_range(self.aggregator, w)
        return jnp.where(w > 0, jax.vmap(rule.kappa)(self._present(w)), 0).max()

    def mixing(self, w: Float[Array, " n"]) -> Float[Array, "n n"]:
        """The mixing matrix `[n, n]` among those present: `W_ij w_j`, rows renormalised; who is absent hears itself."""
        w = balanced(w)
        slots = self._present(w)
        total = jnp.where(w > 0, slots.sum(1), 0)[:, None]
        own = jnp.arange(slots.shape[1])[None, :] == 0
        return self.topology.dense(jnp.where(total > 0, slots / jnp.where(total > 0, total, 1), own.astype(w.dtype)))

    def describe(self, byzantine: Any = None) -> dict[str, Any]:
        return describe(self.topology, byzantine)

    @property
    def _slots(self) -> Float[Array, "n k"]:
        """What each slot counts when all are present, in identities: `W_ij k_i`."""
        mask = self.topology.mask
        count = mask.sum(1, keepdims=True).astype(self.topology.weights.dtype)
        return jnp.where(mask, self.topology.weights * count, 0)

    def _present(self, w: Float[Array, " n"]) -> Float[Array, "n k"]:
        return self._slots.astype(w.dtype) * w[self.topology.nbr]


def _rows(choose: Array, on_true: PyTree, on_false: PyTree) -> PyTree:
    def pick(a: Array, b: Array) -> Array:
        return jnp.where(choose.reshape(choose.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, on_true, on_false)
