"""A simulation: the stages put together, and one round as a pure function."""

import html
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ghostjax._border import member, members, shown
from ghostjax._byzantine import byzantine_mask, IdleAttack
from ghostjax._declared import outputs_of
from ghostjax._kernels import present
from ghostjax._optimizer import for_model
from ghostjax._output import Output
from ghostjax._random import per_node, stream
from ghostjax._round import Round, State
from ghostjax._tree import Ravel
from ghostjax._types import concrete, Key, require
from ghostjax.attacks import AbstractAttack, NoAttack, View
from ghostjax.learners import AbstractLearner, Momentum
from ghostjax.metrics import AbstractMetric, Goal
from ghostjax.protocols import AbstractProtocol
from ghostjax.tasks import AbstractTask


Record = dict[str, Array]
"""What one round leaves behind: `present`, `lost`, `slack` and `outnumbered`, and what the metrics returned."""


class Simulation(eqx.Module):
    """A network of nodes that learn `task` by `protocol`, some of them held by an adversary.

    One round is `update -> send -> weigh -> corrupt -> aggregate -> apply -> observe`; replace one object to
    replace one stage. Every leaf is traced, so one compiled program serves all values of all knobs.

    `byzantine` marks the adversary's identities: a whole number is a count, of the last ones; a fraction between 0
    and 1, or `gj.Share(0.25)`, a share of the nodes, rounded to the nearest whole number of them; an array a mask
    `[n]` of booleans or zeros and ones. It is not the rule's `f`: one is true, the other assumed.

    Errors: `ConfigurationError` for a combination that cannot work, before anything compiles. An attack without a
    Byzantine identity never acts, and a warning says so.
    """

    task: AbstractTask
    protocol: AbstractProtocol
    learner: AbstractLearner
    attack: AbstractAttack
    byzantine: Bool[Array, " n"]
    metrics: tuple[AbstractMetric, ...]

    def __init__(
        self,
        task: AbstractTask,
        protocol: AbstractProtocol,
        *,
        learner: AbstractLearner | None = None,
        attack: AbstractAttack | None = None,
        byzantine: Any = 0,
        metrics: tuple[AbstractMetric, ...] | list[AbstractMetric] | None = None,
    ):
        self.task = member(task, AbstractTask, "Simulation", "task")
        self.protocol = member(protocol, AbstractProtocol, "Simulation", "protocol")
        self.learner = Momentum() if learner is None else member(learner, AbstractLearner, "Simulation", "learner")
        self.attack = NoAttack() if attack is None else member(attack, AbstractAttack, "Simulation", "attack")
        self.metrics = (Goal(),) if metrics is None else members(metrics, AbstractMetric, "Simulation", "metrics")
        n = task.num_nodes
        require(n > 0, "Simulation", "task.num_nodes", n, "a network needs at least one node")
        self.byzantine = byzantine_mask(byzantine, n)
        self.protocol.validate(n, self.learner, self.attack)
        for_model((self.protocol, self.learner), self.ravel)
        self.attack.on(task)
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
            f"{self.learner!r}; {self.attack!r}; records {metrics or 'weights only'})"
        )

    def _repr_html_(self) -> str:
        parts = {
            "task": self.task, "protocol": self.protocol, "learner": self.learner, "attack": self.attack,
            "metrics": ", ".join(map(repr, self.metrics)),
        }  # fmt: skip
        rows = "".join(f"<tr><td>{name}</td><td>{html.escape(str(part))}</td></tr>" for name, part in parts.items())
        return f"<b>Simulation</b>, {self._size()}<table>{rows}</table>"

    def _size(self) -> str:
        held = str(int(self.byzantine.sum())) if concrete(self.byzantine) else "traced which"
        return f"{self.num_nodes} nodes, {held} of them Byzantine"

    @property
    def num_nodes(self) -> int:
        """Number of identities n."""
        return self.task.num_nodes

    @property
    def outputs(self) -> dict[str, Output]:
        """What every entry of the record is, as protocol, task and metrics declare it."""
        return outputs_of(self.task, self.protocol, self.metrics, self.attack.per_receiver)

    @property
    def ravel(self) -> Ravel:
        """The border between this task's parameter trees and flat messages."""
        return Ravel(jax.eval_shape(self.task.init, jax.random.key(0)))

    def init(self, key: Key) -> State:
        """The state before the first round; the initial model depends on `key` alone, not on any rule."""
        theta = self.ravel.ravel(self.task.init(stream(key, "init")))
        protocol, learner = for_model((self.protocol, self.learner), self.ravel)
        like = jax.ShapeDtypeStruct((self.num_nodes, theta.shape[0]), theta.dtype)
        return State(
            round=jnp.zeros((), jnp.int32),
            learner=learner.init(like),
            attack=self.attack.init(like),
            protocol=protocol.init(theta, self.num_nodes),
        )

    def step(self, state: State, w: Float[Array, " n"], key: Key) -> tuple[State, Record]:
        """One round under participation weights `w`; `key` is the root key of the run."""
        ravel, t, n = self.ravel, state.round, self.num_nodes
        protocol, learner = for_model((self.protocol, self.learner), ravel)
        attack = self.attack.on(self.task)
        models = protocol.models(state.protocol)

        def objective(at: Array, draw: Any) -> tuple[Array, Array]:
            batch = self.task.sample(stream(key, "batch", t, draw))
            poisoned = attack.poison(batch, self.byzantine, stream(key, "poison", t, draw))
            batch = _rewritten(self.byzantine, poisoned, batch)
            keys = per_node(stream(key, "node", t, draw), n)

            def one(theta, examples, k):
                loss, gradient = jax.value_and_grad(self.task.loss)(ravel.unravel(theta), examples, k)
                return loss, ravel.ravel(gradient)

            if self.task.sequential and jax.default_backend() == "cpu":
                rows = (batch, keys) if at.ndim == 1 else (at, batch, keys)
                return jax.lax.map(lambda row: one(at, *row) if at.ndim == 1 else one(*row), rows)
            return jax.vmap(one, in_axes=(None if at.ndim == 1 else 0, 0, 0))(at, batch, keys)

        learned, updates, losses = learner.step(state.learner, models, objective)
        pending, messages = protocol.send(state.protocol, updates)
        w = w.astype(messages.dtype)

        seen, seen_w, _ = present(messages, w)
        byzantine = self.byzantine

        def aggregate(x, by_receiver, weights):
            return protocol.aggregate(pending, x, by_receiver, byzantine, weights, stream(key, "rule", t))

        def respond(x):
            x, weights, _ = present(x, w)
            return aggregate(x, None, weights)[1]

        view = View(
            messages=seen,
            weights=seen_w,
            byzantine=byzantine,
            models=models,
            respond=lambda x: respond(jnp.where(byzantine[:, None], x, seen)),
            key=stream(key, "attack", t),
            round=t,
            mixing=protocol.mixing(seen_w),
        )
        attacked, sent = attack.step(state.attack, view)
        by_sender = jnp.where(byzantine[:, None], sent.by_sender, messages)
        x, weights, lost = present(by_sender, w)
        after, result = aggregate(x, sent.by_receiver, weights)
        applied = protocol.apply(state.protocol, after, result, weights)

        record: Record = {
            "present": weights.sum(),
            "lost": lost.sum(),
            "slack": protocol.slack(after, weights),
            "outnumbered": protocol.outnumbered(weights, byzantine),
        }
        seen_round = Round(
            index=t,
            key=stream(key, "metrics", t),
            task=self.task,
            ravel=ravel,
            byzantine=byzantine,
            losses=losses,
            updates=updates,
            messages=x,
            weights=weights,
            lost=lost,
            models=models,
            result=result,
            next_models=protocol.models(applied),
            kappa=protocol.kappa(after, weights),
            respond=lambda messages, told=sent.by_receiver: aggregate(messages, told, weights)[1],
            by_receiver=sent.by_receiver,
            mixing=protocol.mixing(weights),
        )
        for metric in self.metrics:
            record |= metric(seen_round)
        return State(t + 1, learned, attacked, applied), record


def _rewritten(byzantine: Array, by_attack: Any, honest: Any) -> Any:
    """What the attack made of the data of Byzantine nodes, and the data of all others as it was."""

    def leaf(new: Array, old: Array) -> Array:
        mask = byzantine.reshape(-1, *(1,) * (old.ndim - 1))
        return old if new is old else jnp.where(mask, new, old)

    return jax.tree.map(leaf, by_attack, honest)
