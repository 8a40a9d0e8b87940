"""A server that aggregates updates and steps one shared model."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import within
from ghostjax._optimizer import Optimizer
from ghostjax._tree import select
from ghostjax._types import Key, require
from ghostjax.aggregators import AbstractAggregator, Context, in_range, outnumbered
from ghostjax.protocols._base import AbstractProtocol, require_enough, require_masses


class ServerState(NamedTuple):
    """The shared model `[d]`, the outer optimizer's state, the rule's state, the last aggregate `[d]`."""

    theta: Float[Array, " d"]
    optimizer: PyTree
    rule: PyTree
    anchor: Float[Array, " d"]


class Server(AbstractProtocol):
    """One receiver: `theta <- optimizer(theta, rule(updates, w))`.

    The rule's anchor is the last aggregate (zero at first). When every identity is absent the round changes
    nothing: neither the model nor the rule's memory. **Traced:** every knob of the rule and the optimizer.
    """

    aggregator: AbstractAggregator
    optimizer: Optimizer = eqx.field(default_factory=lambda: Optimizer(optax.sgd, learning_rate=0.1))

    def validate(self, num_nodes: int, learner: Any, attack: Any) -> None:
        del learner
        name = type(self.aggregator).__name__
        require_masses("Server", self.aggregator)
        slack = self.aggregator.slack(jnp.ones(num_nodes))
        require(
            slack > 0,
            f"Server({name})",
            "f",
            getattr(self.aggregator, "f", None),
            f"its guarantee needs more present weight than {num_nodes} nodes give (slack {slack}); "
            "lower f or add nodes",
        )
        require_enough("Server", self.aggregator, jnp.ones(num_nodes))
        require(
            "probe" not in self.aggregator.needs,
            f"Server({name})",
            "needs",
            "probe",
            "a server has no loss of its own to probe; use this rule in gossip",
        )
        require(
            not attack.per_receiver,
            "Server",
            "attack",
            type(attack).__name__,
            "it sends a vector per receiver, which only Gossip delivers",
        )

    def init(self, theta: Float[Array, " d"], num_nodes: int) -> ServerState:
        like = jax.ShapeDtypeStruct((num_nodes, theta.shape[0]), theta.dtype)
        return ServerState(theta, self.optimizer.init(theta), self.aggregator.init(like), jnp.zeros_like(theta))

    def models(self, state: ServerState) -> Float[Array, "*n d"]:
        return state.theta

    def send(self, state: ServerState, updates: Float[Array, "n d"]) -> tuple[ServerState, Float[Array, "n d"]]:
        return state, updates

    def aggregate(
        self,
        state: ServerState,
        x: Float[Array, "n d"],
        by_receiver: Float[Array, "n d"] | None,
        byzantine: Array,
        w: Float[Array, " n"],
        key: Key,
    ) -> tuple[ServerState, Float[Array, "*n d"]]:
        del by_receiver, byzantine
        rule, w, _ = in_range(self.aggregator, w)
        rule, y = rule.step(state.rule, x, w, Context(key=key, anchor=state.anchor))
        return state._replace(rule=rule, anchor=y), y

    def apply(
        self, before: ServerState, after: ServerState, result: Float[Array, "*n d"], w: Float[Array, " n"]
    ) -> ServerState:
        optimizer, theta = self.optimizer.step(after.optimizer, result, after.theta)
        return select(w.sum() > 0, after._replace(optimizer=optimizer, theta=theta), before)

    def slack(self, state: ServerState, w: Float[Array, " n"]) -> Float[Array, ""]:
        del state
        rule, w, unit = in_range(self.aggregator, w)
        return within(rule.slack(w) / unit)

    def outnumbered(self, w: Float[Array, " n"], byzantine: Array) -> Float[Array, ""]:
        rule, w, _ = in_range(self.aggregator, w)
        return outnumbered(rule, w, byzantine).astype(w.dtype)

    def kappa(self, state: ServerState, w: Float[Array, " n"]) -> Float[Array, ""]:
        del state
        rule, w, _ = in_range(self.aggregator, w)
        return rule.kappa(w)

    def mixing(self, w: Float[Array, " n"]) -> Float[Array, "n n"] | None:
        del w
        return None

    def describe(self, byzantine: Any = None) -> dict[str, Any]:
        del byzantine
        return {}
