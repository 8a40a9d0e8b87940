"""A protocol: a server whose model follows the aggregate with momentum."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

import ghostjax as gj
from ghostjax.aggregators import AbstractAggregator, Context
from ghostjax.protocols import AbstractProtocol, Margins


class HeavyState(NamedTuple):
    """The shared model, its velocity, the memory of the rule."""

    theta: Float[Array, " d"]
    velocity: Float[Array, " d"]
    rule: Any


class HeavyServer(AbstractProtocol):
    """`v <- beta v + rule(updates, w)`, `theta <- theta - rate v`; nobody present changes nothing. **Traced:** both."""

    aggregator: AbstractAggregator
    rate: Float[Array, ""] = gj.ops.real_field(default=0.1, low=0)
    beta: Float[Array, ""] = gj.ops.real_field(default=0.5, low=0, high=1)
    topology: ClassVar[None] = None

    def validate(self, num_nodes):
        self.aggregator.validate("HeavyServer", jnp.ones(num_nodes))

    def start(self, draw, key, num_nodes):
        return draw(key)

    def init(self, theta, num_nodes):
        return HeavyState(theta, jnp.zeros_like(theta), self.aggregator.init(jnp.zeros((num_nodes, *theta.shape))))

    def models(self, state):
        return state.theta

    def send(self, state, updates):
        return state, updates

    def receive(self, state, received: gj.Received, key):
        memory, y = self.aggregator.step(state.rule, received.x, received.weights, Context(key, state.velocity))
        here = received.weights.sum() > 0
        velocity = jnp.where(here, self.beta.astype(y.dtype) * state.velocity + y, state.velocity)
        theta = state.theta - jnp.where(here, self.rate.astype(y.dtype) * velocity, 0)
        return HeavyState(theta, velocity, memory), y

    def guarantee(self, w, edges, byzantine) -> Margins:
        margin, kappa = self.aggregator.margin(w), self.aggregator.kappa(w)
        return Margins(margin, kappa, (margin <= 0).astype(w.dtype))

    def describe(self, byzantine=None):
        return {}
