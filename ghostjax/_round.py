"""What passes between the stages of a round: data only, with the shape and the meaning of every field.

    weights               are those of identities that
    --------------------  --------------------------------------------------------------------------------------
    `presence`            take part in this round, as the caller of `step` says
    `View.weights`        also count by identity and verdict, and hold an honest message that is finite
    `Received.weights`    also arrived, with a finite row: the weights of the rule, of metrics and of guarantees
    `Received.edges`      `[n, k]`, a factor on each slot of a receiver in gossip: messages lost on one edge
    `Round.weights`       `Received.weights`; `Round.honest` without those of the adversary

Nothing here computes more than a selection. A stage gets what it may know and returns what it decides; the round alone
(`_step.py`) moves values between stages.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ghostjax._tree import Ravel
from ghostjax._types import ConfigurationError, Key, Respond


class Reading(NamedTuple):
    """The output of a detector for a signal of shape `[*s]`, once a round.

    `evidence` grows as the null hypothesis loses credit, `alarm` says that it is at or above the threshold, and `since`
    is the round in which the change is estimated to have begun, -1 as long as there is no evidence.
    """

    evidence: Float[Array, "*s"]
    alarm: Bool[Array, "*s"]
    since: Int[Array, "*s"]


class Motion(NamedTuple):
    """What is on the table: a `governance.Kind` as a number, and whether members vote on it in this round."""

    kind: Int[Array, ""]
    votes: Bool[Array, ""]


class Verdict(NamedTuple):
    """The decision of governance, and all that it can do.

    `factor [n]` multiplies the weights of the next rounds: 0 quarantines, 1 leaves as it is. `back` is the age of the
    model to return to: of the snapshots taken before this round, the newest of that age or less is restored; -1
    restores nothing. A governance that never does the rest leaves it out: `pause` stops the training in the next round,
    `freeze` keeps all snapshots as they are, `renew` lets detectors begin anew, `motion` is what the electorate votes
    on in the next round.
    """

    factor: Float[Array, " n"]
    back: Int[Array, ""]
    pause: Bool[Array, ""] | None = None
    freeze: Bool[Array, ""] | None = None
    renew: Bool[Array, ""] | None = None
    motion: Motion | None = None


class Ballots(NamedTuple):
    """What members say in a round: who casts a vote, and whether it is a yes.

    `against` are the identities that members want in quarantine without an alarm: a motion of their own. The electorate
    leaves it out; an adversary may say it for the members that it captured.
    """

    yes: Bool[Array, " n"]
    cast: Bool[Array, " n"]
    against: Bool[Array, " n"] | None = None


class People(NamedTuple):
    """The truth about the members, for the electorate alone: who is Byzantine, who stands behind whom, who has how much
    power to vote."""

    byzantine: Bool[Array, " n"]
    owner: Int[Array, " n"]
    power: Float[Array, " n"]


class Session(NamedTuple):
    """The input of governance at the end of a round: readings of detectors, the two clocks, and a random key.

    `readings` are named as `Simulation.detectors` names them; `round` counts rounds played, `age` those behind the
    present model. `power [n]` is what each member counted for before this round, all present: 1 for an ordinary one, 0
    in quarantine. `snapshots [c]` are the ages that can be returned to, -1 for an empty slot. `ballots` are None where
    there is no electorate.
    """

    readings: Mapping[str, Reading]
    round: Int[Array, ""]
    age: Int[Array, ""]
    key: Key
    power: Float[Array, " n"]
    snapshots: Int[Array, " c"]
    ballots: Ballots | None = None


class State(NamedTuple):
    """All that the next round needs: one field per stage, `()` for a stage that is absent or has no memory.

    `round` counts the rounds played and never rewinds; `age`, the rounds behind the present model, does when a
    snapshot is restored (`()` without governance, where both are the same). `readings` are the last ones of the
    detectors, `verdict` the one in force, `snapshots` the earlier models that can be restored. `electorate` is the
    memory of those who vote.
    """

    round: Int[Array, ""]
    learner: PyTree
    attack: PyTree
    protocol: PyTree
    identity: PyTree = ()
    channel: PyTree = ()
    detectors: PyTree = ()
    readings: PyTree = ()
    governance: PyTree = ()
    verdict: Any = ()
    snapshots: PyTree = ()
    age: Any = ()
    electorate: PyTree = ()


class Audit(NamedTuple):
    """The shared audit set at one model: inputs `[N, ...]`, targets `[N, ...]`, and `losses(x, y) -> [N]`.

    It is all that a charter reads of a task: nothing that a node owns is in it.
    """

    x: Array
    y: Array
    losses: Callable[[Any, Any], Float[Array, " N"]]


def audited(task: Any, params: PyTree) -> Audit:
    """The audit set of `task` at `params`. Errors: a task without one."""
    if task.audited is None:
        raise ConfigurationError(
            f"{type(task).__name__}: audit=None: a charter reads the audit set, and the task has none; give one, "
            "from_arrays(audit=(x, y))"
        )
    return task.audited(params)


class Moments(NamedTuple):
    """Mean and variance of every node's batch gradient along a direction, `[n]`, given the model."""

    mean: Float[Array, " n"]
    variance: Float[Array, " n"]


def committed(task: Any, params: PyTree, direction: PyTree) -> Moments:
    """What committed data say of gradients at `params` along `direction`. Errors: a task that does not know it."""
    if task.committed is None:
        raise ConfigurationError(
            f"{type(task).__name__}: committed=None: an auditor of committed data needs the mean and variance of batch "
            "gradients, and the task does not state them; define `committed`, or use a model without dropout"
        )
    return task.committed(params, direction)


class Before(NamedTuple):
    """The adversary's knowledge when its nodes draw their examples, before any message of the round.

    `models` are where updates will be computed (`[d]` shared or `[n, d]`), `byzantine` the identities that it holds,
    `readings` the public readings of the last round, `key` the randomness of this draw.
    """

    round: Int[Array, ""]
    models: Float[Array, "*n d"]
    byzantine: Bool[Array, " n"]
    readings: Mapping[str, Reading]
    key: Key


class View(NamedTuple):
    """The adversary's knowledge in a round.

    `messages` are the rows that every identity would send if it were honest (non-finite rows zeroed), `weights` what
    each counts for, `byzantine` the identities that the adversary holds, `models` where the updates were computed
    (`[d]` shared or `[n, d]`), `respond` the rest of the round as a function of the messages: the aggregate `[d]` at a
    server, the next models `[n, d]` in gossip, the channel included. An optimised attack searches or differentiates
    through it, whatever the defence. `mixing[i, j]` is the weight that receiver i gives to sender j (its own on the
    diagonal; rows sum to 1 over those present) where the protocol has a graph, else None. `objective(models)` are the
    losses `[n]` and gradients `[n, d]` of its own nodes' objectives on this round's first batch, poisoned as it decided
    (zeros for all others). `readings` are the public readings of the last round, `verdict` the one in force, with the
    motion on the table (None without governance), `audit(theta)` the shared audit set at a model.
    """

    messages: Float[Array, "n d"]
    weights: Float[Array, " n"]
    byzantine: Bool[Array, " n"]
    models: Float[Array, "*n d"]
    respond: Respond
    key: Key
    round: Int[Array, ""]
    mixing: Float[Array, "n n"] | None = None
    objective: Callable[[Array], tuple[Array, Array]] | None = None
    readings: Mapping[str, Reading] = {}
    audit: Callable[[Array], Audit] | None = None
    verdict: Verdict | None = None

    @property
    def honest(self) -> Float[Array, " n"]:
        """The weights of honest identities, 0 for Byzantine ones."""
        return jnp.where(self.byzantine, 0, self.weights)


class Sent(NamedTuple):
    """The adversary's messages: a row per identity, and in gossip optionally a vector per receiver.

    Only rows of Byzantine identities count; honest rows are restored by the round. With `by_receiver`, every Byzantine
    neighbour of receiver i sends it `by_receiver[i]` instead; `senders` narrows this to some of them. `ballots` are
    cast for the members that it captured, as the electorate says; those of all others are restored.
    """

    by_sender: Float[Array, "n d"]
    by_receiver: Float[Array, "n d"] | None = None
    senders: Bool[Array, " n"] | None = None
    ballots: Ballots | None = None


class Received(NamedTuple):
    """The messages that reached the receivers.

    `x` are finite rows, `weights` what each counts for, `lost` the weight of rows that were not finite. `edges [n, k]`
    is a factor on each slot of a receiver, None where nothing was lost on an edge. With `by_receiver`, the identities
    `senders` sent receiver i the vector `by_receiver[i]`. `deviates` marks identities that sent something else than the
    protocol's message. `altered` says that a channel changed rows, so that a node's own model is not its row here.
    """

    x: Float[Array, "n d"]
    weights: Float[Array, " n"]
    lost: Float[Array, " n"]
    deviates: Bool[Array, " n"]
    edges: Float[Array, "n k"] | None = None
    by_receiver: Float[Array, "n d"] | None = None
    senders: Bool[Array, " n"] | None = None
    altered: bool = False


HIDDEN = ("byzantine", "owner", "honest", "losses", "updates", "lost", "task", "respond", "by_receiver", "outnumbered")
"""The fields of a round that participants do not see."""


class Seen(NamedTuple):
    """A round as participants see it (`Round.blind`): who is Byzantine, who owns whom, private losses, data and updates
    are not in it. `evaluate` is the stated goal, `audit` the shared audit set at a model. `committed(v)` is what an
    auditor of committed data knows: mean and variance of every node's batch gradient along v at the model that the
    round began with, and no example. Entries are those of `Round`."""

    index: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]
    key: Key
    ravel: Ravel
    messages: Float[Array, "n d"]
    weights: Float[Array, " n"]
    models: Float[Array, "*n d"]
    result: Float[Array, "*n d"]
    next_models: Float[Array, "*n d"]
    kappa: Float[Array, ""]
    age: Int[Array, ""]
    evaluate: Callable[[Array], dict[str, Array]]
    audit: Callable[[Array], Audit]
    mixing: Float[Array, "n n"] | None = None
    committed: Callable[[Array], Moments] | None = None

    def __getattr__(self, name: str) -> Any:
        if name in HIDDEN:
            raise ConfigurationError(
                f"detector: signal reads {name!r}: participants do not see it; use messages, weights, models, the "
                "result or evaluate(...)"
            )
        raise AttributeError(name)

    @property
    def judged(self) -> Float[Array, " n"]:
        """The weights of the nodes that a summary is about: everybody who is present."""
        return self.weights

    @property
    def shared(self) -> bool:
        """Whether one model is shared by all nodes."""
        return self.next_models.ndim == 1


class Round(NamedTuple):
    """Everything of one round, as metrics see it; it never leaves the scan.

    `models` is where the updates were computed and `next_models` what came out of the round: `[d]` when one
    model is shared, `[n, d]` when each node has its own. `messages` are the rows that arrived (non-finite ones
    zeroed), `weights` what each counted for, `lost` the weight that non-finite rows lost, `respond` the
    aggregation of this round as a differentiable function of the messages and, where Byzantine identities told
    receiver i the vector `by_receiver[i]` instead, of these. `kappa` is the robustness coefficient of the rule,
    `outnumbered` the number of receivers where more Byzantine mass arrived than it speaks of. `mixing` `[n, n]` is the
    mixing matrix among those present, None at a server. `owner[i]` is the principal that stands behind identity i.
    `age` counts the rounds behind the model that the round began with, None where it is the round's index.
    """

    index: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]
    key: Key
    task: Any
    ravel: Ravel
    byzantine: Bool[Array, " n"]
    owner: Int[Array, " n"]
    losses: Float[Array, " n"]
    updates: Float[Array, "n d"]
    messages: Float[Array, "n d"]
    weights: Float[Array, " n"]
    lost: Float[Array, " n"]
    models: Float[Array, "*n d"]
    result: Float[Array, "*n d"]
    next_models: Float[Array, "*n d"]
    kappa: Float[Array, ""]
    outnumbered: Float[Array, ""]
    respond: Callable[..., Array]
    by_receiver: Float[Array, "n d"] | None = None
    mixing: Float[Array, "n n"] | None = None
    age: Int[Array, ""] | None = None

    @property
    def honest(self) -> Float[Array, " n"]:
        """The weights of honest identities, 0 for Byzantine ones."""
        return jnp.where(self.byzantine, 0, self.weights)

    @property
    def judged(self) -> Float[Array, " n"]:
        """The weights of the nodes that a summary is about: honest ones, where it is known who is."""
        return self.honest

    @property
    def shared(self) -> bool:
        """Whether one model is shared by all nodes."""
        return self.next_models.ndim == 1

    def evaluate(self, theta: Float[Array, " d"]) -> dict[str, Float[Array, ""]]:
        """The stated goal at the flat model `theta`."""
        return self.task.evaluate(self.ravel.unravel(theta))

    def audit(self, theta: Float[Array, " d"]) -> Audit:
        """The audit set that participants share, at the flat model `theta`."""
        return audited(self.task, self.ravel.unravel(theta))

    def committed(self, direction: Float[Array, " d"]) -> Moments:
        """Mean and variance of every node's batch gradient along `direction`, at the shared model of the round's start.

        Errors: nodes with models of their own, a task that does not know its moments.
        """
        if self.models.ndim != 1:
            raise ConfigurationError(
                "Round: committed: nodes have models of their own; what committed data say is known at a server"
            )
        unravel = self.ravel.unravel
        return committed(self.task, unravel(self.models), unravel(direction))

    def blind(self) -> Seen:
        """This round as participants see it."""
        task, ravel = self.task, self.ravel
        return Seen(
            index=self.index,
            key=self.key,
            ravel=self.ravel,
            messages=self.messages,
            weights=self.weights,
            models=self.models,
            result=self.result,
            next_models=self.next_models,
            kappa=self.kappa,
            age=self.index if self.age is None else self.age,
            evaluate=lambda theta: task.evaluate(ravel.unravel(theta)),
            audit=lambda theta: audited(task, ravel.unravel(theta)),
            mixing=self.mixing,
            committed=self.committed,
        )
