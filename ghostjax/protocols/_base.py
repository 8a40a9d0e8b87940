"""What a protocol is: how updates become messages, who aggregates them, and what happens with the result."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._border import Checked
from ghostjax._random import Moment
from ghostjax._round import Received
from ghostjax._tree import replaced
from ghostjax._types import Key, require
from ghostjax.aggregators import AbstractAggregator, AbstractWrapper
from ghostjax.topologies import AbstractTopology, Topology


def require_masses(call: str, rule: AbstractAggregator) -> None:
    """Refuses a negative assumed mass, in `rule` and in the rules that it wraps."""
    remedy = "it is a mass that is assumed Byzantine; 0 or more"
    inner: Any = rule
    while isinstance(inner, AbstractAggregator):
        for name in ("f", "share"):
            value = getattr(inner, name, None)
            if isinstance(value, jax.Array):
                require((value >= 0).all(), f"{call}({type(inner).__name__})", name, value, remedy)
        inner = getattr(inner, "rule", None)


def require_enough(protocol: str, rule: AbstractAggregator, w: Float[Array, " n"]) -> None:
    """Refuses what `rule`, and the rules that it wraps, cannot do with the weights `w`."""
    call, end = protocol, ""
    while True:
        call, end = f"{call}({type(rule).__name__}", f"{end})"
        if rule.demands is not None:
            rule.demands(call + end, w)
        if not isinstance(rule, AbstractWrapper):
            return
        rule, w = rule.rule, rule.weights(w)


class Margins(NamedTuple):
    """What the rule of a protocol guarantees at the weights of a round, over all its receivers.

    `slack` is the smallest mass beyond what the guarantee needs (see `AbstractAggregator.slack`), `kappa` the largest
    robustness coefficient, `outnumbered` how many honest receivers hear more Byzantine mass than the rule is set to
    bear, or no minority of it.
    """

    slack: Float[Array, ""]
    kappa: Float[Array, ""]
    outnumbered: Float[Array, ""]


class AbstractProtocol(Checked):
    """The part of a round between the nodes' updates and their next models.

    `topology` is the graph of its receivers, None where a server is the only one.
    """

    topology: eqx.AbstractVar[AbstractTopology | None]

    @abstractmethod
    def validate(self, num_nodes: int) -> None:
        """Raises `ConfigurationError` for what cannot work with so many nodes, before anything compiles."""

    @abstractmethod
    def start(self, draw: Callable[[Key], Float[Array, " d"]], key: Key, num_nodes: int) -> Float[Array, "*n d"]:
        """Where nodes start: one model `[d]` for all, or one each `[n, d]`; `draw(key)` makes a model."""

    @abstractmethod
    def init(self, theta: Float[Array, "*n d"], num_nodes: int) -> PyTree:
        """The state before the first round, from what `start` returned."""

    @abstractmethod
    def models(self, state: PyTree) -> Float[Array, "*n d"]:
        """Where nodes evaluate their objectives: one model `[d]` for all, or one each `[n, d]`."""

    @abstractmethod
    def send(self, state: PyTree, updates: Float[Array, "n d"]) -> tuple[PyTree, Float[Array, "n d"]]:
        """The next state and the messages, one row per node."""

    @abstractmethod
    def receive(self, state: PyTree, received: Received, key: Key) -> tuple[PyTree, Float[Array, "*n d"]]:
        """The state of the next round and the result: the aggregate `[d]`, or the next models `[n, d]`.

        `state` is what `send` returned. A receiver that nobody reaches keeps the model and the memory that it has.
        """

    @abstractmethod
    def guarantee(
        self, w: Float[Array, " n"], edges: Float[Array, "n k"] | None, byzantine: Bool[Array, " n"]
    ) -> Margins:
        """What the rule guarantees at weights `w` and factors `edges` on slots, when it is true who is Byzantine."""

    @abstractmethod
    def describe(self, byzantine: Any = None) -> dict[str, Any]:
        """What a run reports about the communication beside its record: plain numbers, computed on the host.

        `byzantine` is a mask `[n]`; nobody by default.
        """

    def at(self, moment: Moment) -> "AbstractProtocol":
        """This protocol with the graph of one round."""
        return self if self.topology is None else replaced(self, topology=self.topology.at(moment))

    def mixing(self, w: Float[Array, " n"]) -> Float[Array, "n n"] | None:
        """The mixing matrix among those present in the graph of one round; None where a server aggregates."""
        return self.topology.among(w) if isinstance(self.topology, Topology) else None
