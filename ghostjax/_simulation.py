"""A simulation: the stages put together, and one round as a pure function."""

import html
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ghostjax._border import member, members, shown
from ghostjax._byzantine import byzantine_mask, IdleAttack
from ghostjax._declared import first_readings, outputs_of, require_gradients
from ghostjax._optimizer import for_model
from ghostjax._output import Output
from ghostjax._random import stream
from ghostjax._round import State
from ghostjax._step import Record as Record, step
from ghostjax._tree import Ravel
from ghostjax._types import concrete, Key, require
from ghostjax.attacks import AbstractAttack, NoAttack
from ghostjax.channels import AbstractChannel
from ghostjax.detectors import AbstractDetector
from ghostjax.governance import AbstractElectorate, AbstractGovernance
from ghostjax.identity import AbstractIdentity
from ghostjax.learners import AbstractLearner, Momentum
from ghostjax.metrics import AbstractMetric, Goal
from ghostjax.protocols import AbstractProtocol
from ghostjax.tasks import AbstractTask


class Simulation(eqx.Module):
    """A network of nodes that learn `task` by `protocol`, some of them held by an adversary.

    One round is `weigh -> learn -> send -> corrupt -> carry -> receive -> observe -> watch -> vote -> decide ->
    remember`; replace one object to replace one stage. Every leaf is traced, so one compiled program serves all values
    of all knobs. `identity` turns presence into weights, `channel` carries messages, `detectors` (a dict, which names
    their readings in the record: `evidence_NAME`, `alarm_NAME`, `since_NAME`) watch what participants see, `electorate`
    votes on what `governance` puts to it, `governance` decides; a stage that is left out costs nothing.

    `byzantine` marks the adversary's identities: a whole number is a count, of the last ones; a fraction between 0
    and 1, or `gj.Share(0.25)`, a share of the nodes, rounded to the nearest whole number of them; an array a mask
    `[n]` of booleans or zeros and ones. It is not the rule's `f`: one is true, the other assumed. With
    `attacks.Several` the attack says it. `owner [n]` names the principal behind each identity (each its own unless
    given): it is about people, is read by metrics, reports and the electorate, and by no other stage.

    Errors: `ConfigurationError` for a combination that cannot work, before anything compiles. An attack without a
    Byzantine identity never acts, and a warning says so.
    """

    task: AbstractTask
    protocol: AbstractProtocol
    learner: AbstractLearner
    attack: AbstractAttack
    byzantine: Bool[Array, " n"]
    metrics: tuple[AbstractMetric, ...]
    identity: AbstractIdentity | None
    channel: AbstractChannel | None
    detectors: dict[str, AbstractDetector]
    governance: AbstractGovernance | None
    electorate: AbstractElectorate | None
    owner: Int[Array, " n"] | None
    switchable: ClassVar[dict[str, type[eqx.Module]]] = {
        "attack": AbstractAttack,
        "learner": AbstractLearner,
        "identity": AbstractIdentity,
        "channel": AbstractChannel,
        "detectors": AbstractDetector,
        "governance": AbstractGovernance,
        "electorate": AbstractElectorate,
    }
    """The members among which one compiled program can choose, with their families."""

    def __init__(
        self,
        task: AbstractTask,
        protocol: AbstractProtocol,
        *,
        learner: AbstractLearner | None = None,
        attack: AbstractAttack | None = None,
        byzantine: Any = None,
        metrics: tuple[AbstractMetric, ...] | list[AbstractMetric] | None = None,
        identity: AbstractIdentity | None = None,
        channel: AbstractChannel | None = None,
        detectors: Mapping[str, AbstractDetector] | None = None,
        governance: AbstractGovernance | None = None,
        electorate: AbstractElectorate | None = None,
        owner: Any = None,
    ):
        self.task = member(task, AbstractTask, "Simulation", "task")
        self.protocol = member(protocol, AbstractProtocol, "Simulation", "protocol")
        self.learner = Momentum() if learner is None else member(learner, AbstractLearner, "Simulation", "learner")
        self.attack = NoAttack() if attack is None else member(attack, AbstractAttack, "Simulation", "attack")
        self.metrics = (Goal(),) if metrics is None else members(metrics, AbstractMetric, "Simulation", "metrics")
        self.identity = _optional(identity, AbstractIdentity, "identity")
        self.channel = _optional(channel, AbstractChannel, "channel")
        self.governance = _optional(governance, AbstractGovernance, "governance")
        self.electorate = _optional(electorate, AbstractElectorate, "electorate")
        self.detectors = _named(detectors)
        n = task.num_nodes
        require(n > 0, "Simulation", "task.num_nodes", n, "a network needs at least one node")
        self.byzantine = byzantine_mask(self.attack.everybody(byzantine, n), n)
        self.owner = None if owner is None else _owners(owner, n)
        deliverable = not self.attack.per_receiver or self.protocol.topology is not None
        server = type(self.protocol).__name__
        remedy = "it sends a vector per receiver, which only Gossip delivers"
        require(deliverable, server, "attack", type(self.attack).__name__, remedy)
        self.protocol.validate(n)
        if self.governance is not None and concrete(self.governance):
            self.governance.init(n)  # identities that it names exist
        for_model((self.protocol, self.learner), self.ravel)
        self.attack.on(task)
        require_gradients(self.learner, self.channel, self.metrics, self.detectors)
        self.outputs  # noqa: B018  # what cannot be recorded is refused here
        if not isinstance(self.attack, NoAttack) and concrete(self.byzantine) and not bool(self.byzantine.any()):
            warnings.warn(
                f"Simulation: attack={shown(self.attack)}: no identity is Byzantine, so it never acts; give byzantine= "
                "a count, a share or a mask",
                IdleAttack,
                stacklevel=4,
            )
        elif concrete(self.byzantine) and self.attack.doubt is not None:
            doubt = self.attack.doubt(n, int(self.byzantine.sum()))
            if doubt is not None:
                warnings.warn(f"Simulation: attack={shown(self.attack)}: this is no attack: {doubt}", stacklevel=3)

    def __repr__(self) -> str:
        metrics = ", ".join(type(metric).__name__ for metric in self.metrics)
        return (
            f"Simulation({self._size()}; {type(self.task).__name__}; {self.protocol!r}; "
            f"{self.learner!r}; {self.attack!r}; records {metrics or 'weights only'}"
            f"{''.join(f'; {name} {part}' for name, part in self._stages().items())})"
        )

    def _repr_html_(self) -> str:
        parts = {
            "task": self.task, "protocol": self.protocol, "learner": self.learner, "attack": self.attack,
            "metrics": ", ".join(map(repr, self.metrics)), **self._stages(),
        }  # fmt: skip
        rows = "".join(f"<tr><td>{name}</td><td>{html.escape(str(part))}</td></tr>" for name, part in parts.items())
        return f"<b>Simulation</b>, {self._size()}<table>{rows}</table>"

    def _stages(self) -> dict[str, Any]:
        """The optional stages that are there."""
        parts = {name: getattr(self, name) for name in ("identity", "channel", "governance", "electorate")}
        watched = ", ".join(f"{name}: {detector!r}" for name, detector in self.detectors.items())
        return {name: part for name, part in parts.items() if part is not None} | (
            {"detectors": watched} if watched else {}
        )

    def _size(self) -> str:
        held = str(int(self.byzantine.sum())) if concrete(self.byzantine) else "traced which"
        return f"{self.num_nodes} nodes, {held} of them Byzantine"

    @property
    def num_nodes(self) -> int:
        """Number of identities n."""
        return self.task.num_nodes

    @property
    def outputs(self) -> dict[str, Output]:
        """What every entry of the record is, as protocol, task, metrics and stages declare it."""
        people = (self.identity, self.channel, self.detectors, self.governance, self.electorate)
        return outputs_of(self.task, self.protocol, self.metrics, *people, per_receiver=self.attack.per_receiver)

    @property
    def principals(self) -> Int[Array, " n"]:
        """The principal behind each identity: `owner`, or a different one for each."""
        return jnp.arange(self.num_nodes, dtype=jnp.int32) if self.owner is None else self.owner

    @property
    def ravel(self) -> Ravel:
        """The border between this task's parameter trees and flat messages."""
        return Ravel(jax.eval_shape(self.task.init, jax.random.key(0)))

    def init(self, key: Key, theta: Float[Array, "*n d"] | None = None) -> State:
        """The state before the first round; the initial model depends on `key` alone, not on any rule.

        A model `theta` takes the place of the one that `key` draws.
        """
        n, ravel = self.num_nodes, self.ravel
        protocol, learner = for_model((self.protocol, self.learner), ravel)
        drawn = protocol.start(lambda draw: ravel.ravel(self.task.init(draw)), stream(key, "init"), n)
        theta = drawn if theta is None else theta
        like = jax.ShapeDtypeStruct((n, theta.shape[-1]), theta.dtype)
        state = State(
            round=jnp.zeros((), jnp.int32),
            learner=learner.init(like),
            attack=self.attack.init(like),
            protocol=protocol.init(theta, n),
            identity=() if self.identity is None else self.identity.init(n),
            channel=() if self.channel is None else self.channel.init(like),
        )
        if self.detectors:
            state = state._replace(**self.first_readings())
        if self.governance is None:
            return state
        verdict = self.governance.blank_verdict(state.readings or {}, self.electorate is not None, n)
        return state._replace(
            electorate=() if self.electorate is None else self.electorate.init(n),
            governance=self.governance.init(n),
            verdict=verdict._replace(factor=verdict.factor.astype(ravel.dtype), back=verdict.back.astype(jnp.int32)),
            snapshots=self.governance.snapshots.init((state.learner, state.protocol)),
            age=jnp.zeros((), jnp.int32),
        )

    def first_readings(self) -> dict[str, Any]:
        """The memory of the detectors before the first round, and readings that say nothing."""
        return first_readings(self.task, self.protocol, self.detectors)

    def step(self, state: State, w: Float[Array, " n"], key: Key) -> tuple[State, Record]:
        """One round under participation weights `w`; `key` is the root key of the run."""
        return step(self, state, w, key)


def _optional(value: Any, kind: type, parameter: str) -> Any:
    return None if value is None else member(value, kind, "Simulation", parameter)


def _named(detectors: Any) -> dict[str, AbstractDetector]:
    found = {} if detectors is None else detectors
    require(isinstance(found, Mapping), "Simulation", "detectors", shown(detectors), "give a dict, {name: detector}")
    for name in found:
        fits = isinstance(name, str) and name.isidentifier()
        require(fits, "Simulation", "detectors", shown(name), "a name has letters, digits and underscores")
    return {name: member(one, AbstractDetector, "Simulation", f"detectors[{name!r}]") for name, one in found.items()}


def _owners(owner: Any, n: int) -> Int[Array, " n"]:
    if not concrete(owner):
        return jnp.asarray(owner, jnp.int32)
    values = np.asarray(owner)
    fits = values.shape == (n,) and values.dtype.kind in "iu" and bool((values >= 0).all())
    require(fits, "Simulation", "owner", shown(owner), f"give the number of a principal for each of {n} identities")
    return jnp.asarray(values, jnp.int32)
