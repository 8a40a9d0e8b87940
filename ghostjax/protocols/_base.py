"""The base class of protocols: how updates become messages, who aggregates them, and how the result is applied."""

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
    """The guarantee of a protocol's rule at the weights of a round, over all receivers.

    `margin` is the smallest mass beyond what the guarantee needs (see `AbstractAggregator.margin`), `kappa` the largest
    robustness coefficient, and `outnumbered` the number of honest receivers that get more Byzantine mass than the rule
    assumes, or at least half.
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
    """Fields whose members a sweep may choose by a traced index without cost, and their families."""

    @abstractmethod
    def validate(self, num_nodes: int) -> None:
        """Raises `ConfigurationError` if the protocol cannot work with so many nodes, before anything compiles."""

    @abstractmethod
    def start(self, draw: Callable[[Key], Float[Array, " d"]], key: Key, num_nodes: int) -> Float[Array, "*n d"]:
        """The initial models: one `[d]` for all nodes, or one each `[n, d]`. `draw(key)` makes a model."""

    @abstractmethod
    def init(self, theta: Float[Array, "*n d"], num_nodes: int) -> PyTree:
        """The state before the first round, from what `start` returned."""

    @abstractmethod
    def models(self, state: PyTree) -> Float[Array, "*n d"]:
        """The models at which nodes evaluate their objectives: one `[d]` for all, or one each `[n, d]`."""

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
        """The rule's guarantee at weights `w` and factors `edges` on slots, given who is Byzantine."""

    @abstractmethod
    def describe(self, byzantine: Any = None) -> dict[str, Any]:
        """Diagnostics of the communication, for reports: plain numbers, computed on the host.

        `byzantine` is a mask `[n]`; nobody by default.
        """

    def at(self, moment: Moment) -> "AbstractProtocol":
        """This protocol with the graph of one round."""
        return self if self.topology is None else replaced(self, topology=self.topology.at(moment))

    def mixing(self, w: Float[Array, " n"]) -> Float[Array, "n n"] | None:
        """The mixing matrix among those present in the graph of one round; None where a server aggregates."""
        return self.topology.among(w) if isinstance(self.topology, Topology) else None
