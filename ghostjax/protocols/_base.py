"""What a protocol is: how updates become messages, who aggregates them, and what happens with the result."""

from abc import abstractmethod
from typing import Any

import jax
from jaxtyping import Array, Float, PyTree

from ghostjax._border import Checked
from ghostjax._types import Key, require
from ghostjax.aggregators import AbstractAggregator, AbstractWrapper


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


class AbstractProtocol(Checked):
    """The part of a round between the nodes' updates and their next models."""

    @abstractmethod
    def validate(self, num_nodes: int, learner: Any, attack: Any) -> None:
        """Raises `ConfigurationError` for a combination that cannot work, before anything compiles."""

    @abstractmethod
    def init(self, theta: Float[Array, " d"], num_nodes: int) -> PyTree:
        """The state before the first round, every model equal to `theta`."""

    @abstractmethod
    def models(self, state: PyTree) -> Float[Array, "*n d"]:
        """Where nodes evaluate their objectives: one model `[d]` for all, or one each `[n, d]`."""

    @abstractmethod
    def send(self, state: PyTree, updates: Float[Array, "n d"]) -> tuple[PyTree, Float[Array, "n d"]]:
        """The next state and the messages, one row per node."""

    @abstractmethod
    def aggregate(
        self,
        state: PyTree,
        x: Float[Array, "n d"],
        by_receiver: Float[Array, "n d"] | None,
        byzantine: Array,
        w: Float[Array, " n"],
        key: Key,
    ) -> tuple[PyTree, Float[Array, "*n d"]]:
        """The next state and the result: the aggregate `[d]`, or the next models `[n, d]`.

        With `by_receiver`, Byzantine senders sent receiver i the vector `by_receiver[i]`; where that is not
        finite they are absent for that receiver.
        """

    @abstractmethod
    def apply(self, before: PyTree, after: PyTree, result: Float[Array, "*n d"], w: Float[Array, " n"]) -> PyTree:
        """The state once the result is put to use.

        `after` is what `aggregate` returned and `before` the state at the start of the round, which stays where
        nobody was present.
        """

    @abstractmethod
    def slack(self, state: PyTree, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The smallest slack of the rule over receivers (see `AbstractAggregator.slack`)."""

    @abstractmethod
    def outnumbered(self, w: Float[Array, " n"], byzantine: Array) -> Float[Array, ""]:
        """How many honest receivers hear more Byzantine mass than the rule is set to bear, or no minority of it."""

    @abstractmethod
    def kappa(self, state: PyTree, w: Float[Array, " n"]) -> Float[Array, ""]:
        """The largest robustness coefficient of the rule over receivers (see `AbstractAggregator.kappa`)."""

    @abstractmethod
    def mixing(self, w: Float[Array, " n"]) -> Float[Array, "n n"] | None:
        """The mixing matrix among those present, as an attack may know it; None where a server aggregates."""

    @abstractmethod
    def describe(self, byzantine: Any = None) -> dict[str, Any]:
        """What a run reports about the communication beside its record: plain numbers, computed on the host.

        `byzantine` is a mask `[n]`; nobody by default.
        """
