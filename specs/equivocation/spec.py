"""A sender who tells two receivers different things: what is counted must still be the same everywhere."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Nodes, how many of them are Byzantine, and values that a message may have. Every honest node is a receiver."""

    nodes: int = 4
    byzantine: int = 1
    values: int = 2


class State(NamedTuple):
    """Whether the sender is honest (then its value is 1); per honest receiver what it was told, what it echoes, what
    it is ready for, what it counts (0 nothing, else a value plus one)."""

    sender: Any
    told: Any
    echo: Any
    ready: Any
    count: Any


NO_ECHO, MINORITY_OF_ECHOES, ECHOES_AGAIN, READY_ON_RUMOUR, COUNTS_ON_RUMOUR = 1, 2, 3, 4, 5


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`. Byzantine nodes are not in the state: each may support any value at any time, so that
    whatever their support allows may happen (`Helped`), and only what honest nodes bring about must."""
    f, values = bounds.byzantine, bounds.values
    receivers, quorum = bounds.nodes - f, 2 * f + 1

    def tell(s: State, n: Any, v: Any, bug: Any) -> tuple[Any, State]:
        new = jnp.where(bug == ECHOES_AGAIN, s.told[n] != v + 1, s.told[n] == 0)
        return new & ((s.sender == 0) | (v == 0)), s._replace(told=s.told.at[n].set(v + 1))

    def echo(s: State, n: Any, bug: Any) -> tuple[Any, State]:
        new = jnp.where(bug == ECHOES_AGAIN, s.echo[n] != s.told[n], s.echo[n] == 0)
        return (s.told[n] > 0) & new, s._replace(echo=s.echo.at[n].set(s.told[n]))

    def ready_with(help: int) -> Any:
        def ready(s: State, n: Any, v: Any, bug: Any) -> tuple[Any, State]:
            heard = (s.echo == v + 1).sum() + help >= jnp.where(bug == MINORITY_OF_ECHOES, f + 1, quorum)
            joins = (s.ready == v + 1).sum() + help >= jnp.where(bug == READY_ON_RUMOUR, f, f + 1)
            return (s.ready[n] == 0) & (heard | joins), s._replace(ready=s.ready.at[n].set(v + 1))

        return ready

    def count_with(help: int) -> Any:
        def count(s: State, n: Any, v: Any, bug: Any) -> tuple[Any, State]:
            enough = (s.ready == v + 1).sum() + help >= jnp.where(bug == COUNTS_ON_RUMOUR, f, quorum)
            enough = jnp.where(bug == NO_ECHO, s.told[n] == v + 1, enough)
            return (s.count[n] == 0) & enough, s._replace(count=s.count.at[n].set(v + 1))

        return count

    def as_told(s: State) -> Any:
        """Whoever is ready for a value does so for one that some honest node was told."""
        among = jnp.stack([(s.told == v + 1).any() for v in range(values)])
        return ((s.ready == 0) | among[jnp.maximum(s.ready - 1, 0)]).all()

    def one_value(table: Any) -> Any:
        a, b = table[:, None], table[None, :]
        return ((a == 0) | (b == 0) | (a == b)).all()

    zero = np.zeros(receivers, np.int32)
    each = {"n": receivers, "v": values}
    heard = (Fair("Echo", True), Fair("Ready", True), Fair("Count", True))
    some, everyone = lambda s: (s.count > 0).any(), lambda s: (s.count > 0).all()
    return Spec(
        name="equivocation",
        statement="Whatever a sender tells to whom, nobody counts another value of it than anybody else.",
        state=State,
        variables={
            "sender": Var((), 1), "told": Var((receivers,), values), "echo": Var((receivers,), values),
            "ready": Var((receivers,), values), "count": Var((receivers,), values),
        },
        init=[State(honest, zero, zero, zero, zero) for honest in range(2)],
        actions=(
            Action("Tell", tell, each),
            Action("Echo", echo, {"n": receivers}),
            Action("Ready", ready_with(0), each),
            Action("ReadyHelped", ready_with(f), each),
            Action("Count", count_with(0), each),
            Action("CountHelped", count_with(f), each),
        ),
        invariants={
            "SameForAll": lambda s: one_value(s.count),
            "OneValueIsReady": lambda s: one_value(s.ready),
            "HonestIsNotMisquoted": lambda s: ((s.sender == 0) | (s.count <= 1)).all(),
            "ReadyForWhatWasTold": as_told,
        },
        witnesses={
            "an equivocator is counted": lambda s: (s.told == 1).any() & (s.told == 2).any() & everyone(s),
            "ready without an echo of one's own": lambda s: ((s.ready > 0) & (s.echo == 0)).any(),
            "ready against what one was told": lambda s: ((s.ready > 0) & (s.told > 0) & (s.ready != s.told)).any(),
        },
        leads_to=(
            LeadsTo("HonestIsCountedByAll", lambda s: s.sender == 1, everyone, (Fair("Tell", True), *heard)),
            LeadsTo("CountedByOneByAll", some, everyone, heard),
            # One who tells too few, or too different things, is not counted at all.
            LeadsTo("EverybodyIsCounted", lambda s: jnp.asarray(True), some, (Fair("Tell", True), *heard), holds=False),
        ),
        mutants=(
            Mutant("no_echo", NO_ECHO, "SameForAll", 5),
            Mutant("minority_of_echoes", MINORITY_OF_ECHOES, "OneValueIsReady", 7),
            Mutant("echoes_again", ECHOES_AGAIN, "OneValueIsReady", 11, ("OneValueIsReady",)),
            Mutant("ready_on_rumour", READY_ON_RUMOUR, "ReadyForWhatWasTold", 2),
            Mutant("counts_on_rumour", COUNTS_ON_RUMOUR, "HonestIsNotMisquoted", 2),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Receivers are interchangeable."""
    return (Symmetry({"told": 0, "echo": 0, "ready": 0, "count": 0}, 0, bounds.nodes - bounds.byzantine),)


def nightly() -> Spec:
    """A third value."""
    return spec(Bounds(values=3))._replace(mutants=())
