"""A server that aggregates updates and steps one shared model."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._kernels import within
from ghostjax._optimizer import Optimizer
from ghostjax._round import Received
from ghostjax._tree import select
from ghostjax._types import Key, require
from ghostjax.aggregators import AbstractAggregator, Context, in_range, outnumbered
from ghostjax.protocols._base import AbstractProtocol, Margins


class ServerState(NamedTuple):
    """The shared model `[d]`, the outer optimizer's state, the rule's state, the last aggregate `[d]`."""

    theta: Float[Array, " d"]
    optimizer: PyTree
    rule: PyTree
    anchor: Float[Array, " d"]


class Server(AbstractProtocol):
    """One receiver: `theta <- optimizer(theta, rule(updates, w))`.

    The rule's anchor is the last aggregate (zero at first). If every identity is absent, the round changes neither the
    model nor the rule's memory. **Traced:** every knob of the rule and the optimizer.
    """

    aggregator: AbstractAggregator
    optimizer: Optimizer = eqx.field(default_factory=lambda: Optimizer(optax.sgd, learning_rate=0.1))
    switchable: ClassVar[dict[str, type[eqx.Module]]] = {"aggregator": AbstractAggregator}

    topology: ClassVar[None] = None

    def validate(self, num_nodes: int) -> None:
        name = type(self.aggregator).__name__
        w = jnp.ones(num_nodes)
        margin = self.aggregator.margin(w)
        require(
            margin > 0,
            f"Server({name})",
            "f",
            self.aggregator.guarantee.byzantine_mass(w),
            f"its guarantee needs more present weight than {num_nodes} nodes give (margin {margin}); "
            "lower f or add nodes",
        )
        self.aggregator.validate("Server", w)
        require(
            "probe" not in self.aggregator.needs,
            f"Server({name})",
            "needs",
            "probe",
            "a server has no loss of its own to probe; use this rule in gossip",
        )

    def start(self, draw: Callable[[Key], Float[Array, " d"]], key: Key, num_nodes: int) -> Float[Array, "*n d"]:
        del num_nodes
        return draw(key)

    def init(self, theta: Float[Array, " d"], num_nodes: int) -> ServerState:
        like = jax.ShapeDtypeStruct((num_nodes, theta.shape[0]), theta.dtype)
        return ServerState(theta, self.optimizer.init(theta), self.aggregator.init(like), jnp.zeros_like(theta))

    def models(self, state: ServerState) -> Float[Array, "*n d"]:
        return state.theta

    def send(self, state: ServerState, updates: Float[Array, "n d"]) -> tuple[ServerState, Float[Array, "n d"]]:
        return state, updates

    def receive(self, state: ServerState, received: Received, key: Key) -> tuple[ServerState, Float[Array, "*n d"]]:
        rule, w, _ = in_range(self.aggregator, received.weights)
        memory, y = rule.step(state.rule, received.x, w, Context(key=key, anchor=state.anchor))
        optimizer, theta = self.optimizer.step(state.optimizer, y, state.theta)
        return select(received.weights.sum() > 0, ServerState(theta, optimizer, memory, y), state), y

    def guarantee(
        self, w: Float[Array, " n"], edges: Float[Array, "n k"] | None, byzantine: Bool[Array, " n"]
    ) -> Margins:
        assert edges is None, "a server has no edges"
        rule, w, unit = in_range(self.aggregator, w)
        lost = outnumbered(rule, w, byzantine).astype(w.dtype)
        return Margins(margin=within(rule.margin(w) / unit), kappa=rule.kappa(w), outnumbered=lost)

    def describe(self, byzantine: Any = None) -> dict[str, Any]:
        del byzantine
        return {}
