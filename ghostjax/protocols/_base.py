"""What a protocol is: how updates become messages, who aggregates them, and what happens with the result."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
from jaxtyping import Array, Bool, Float, PyTree

from ghostjax._border import Checked
from ghostjax._random import Moment
from ghostjax._round import Received
from ghostjax._tree import replaced
from ghostjax._types import Key
from ghostjax.topologies import AbstractTopology, Topology


class Margins(NamedTuple):
    """What the rule of a protocol guarantees at the weights of a round, over all its receivers.

    `margin` is the smallest mass beyond what the guarantee needs (see `AbstractAggregator.margin`), `kappa` the largest
    robustness coefficient, `outnumbered` how many honest receivers hear more Byzantine mass than the rule is set to
    bear, or no minority of it.
    """

    margin: Float[Array, ""]
    kappa: Float[Array, ""]
    outnumbered: Float[Array, ""]


class AbstractProtocol(Checked):
    """The part of a round between the nodes' updates and their next models.

    `topology` is the graph of its receivers, None where a server is the only one.
    """

    topology: eqx.AbstractVar[AbstractTopology | None]

    switchable: ClassVar[dict[str, type[eqx.Module]]] = {}
    """Fields whose members a sweep may choose by a traced index at no cost, and their families."""

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
