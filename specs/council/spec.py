"""A council: an alarm or a member's motion is voted on, what passes waits for a timelock, and a pause ends."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Members, captured ones among them, yes votes that pass a motion; rounds of a vote, a timelock, a pause."""

    members: int = 4
    captured: int = 1
    needed: int = 2
    voting: int = 2
    timelock: int = 3
    pause: int = 3


class State(NamedTuple):
    """Phase (idle, voting, timelock), what is on the table (nothing, an alarm, a member's motion), rounds in the phase,
    rounds since the matter was raised (no more than a pause), paused rounds of it, what of it was executed."""

    ph: Any
    kind: Any
    clk: Any
    open: Any
    pz: Any
    done: Any


QUORUM_OF_ONE, PAUSE_RENEWED, NO_TIMELOCK, HASTY_VOTE = 1, 2, 3, 4
IDLE, VOTING, TIMELOCK = 0, 1, 2
ALARM, MOVED = 1, 2


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`; every action is one round."""
    n, limit = bounds.members, bounds.pause

    def paused(s: State) -> Any:
        return (s.ph != IDLE) & (s.kind == ALARM) & (s.open < limit)

    def passed(s: State) -> State:
        """A round goes by in which the matter stays on the table."""
        pz = jnp.minimum(s.pz + jnp.where(paused(s), 1, 0), limit + 1)
        return s._replace(open=jnp.minimum(s.open + 1, limit), pz=pz)

    def raised(kind: int) -> State:
        zero = jnp.int32(0)
        return State(jnp.int32(VOTING), jnp.int32(kind), zero, zero, zero, zero)

    def ended(s: State, done: Any) -> State:
        zero = jnp.int32(0)
        return passed(s)._replace(ph=zero, kind=zero, clk=zero, open=zero, done=done)

    def alarm(s: State, bug: Any) -> tuple[Any, State]:
        # It takes the table from a member's motion, unless the votes on it are counted in this round.
        taken = (s.ph == VOTING) & (s.kind == MOVED) & (s.clk < bounds.voting)
        return (s.ph == IDLE) | taken, raised(ALARM)

    def move(s: State, bug: Any) -> tuple[Any, State]:
        return s.ph == IDLE, raised(MOVED)

    def wait(s: State, bug: Any) -> tuple[Any, State]:
        votes, locked = (s.ph == VOTING) & (s.clk < bounds.voting), (s.ph == TIMELOCK) & (s.clk + 1 < bounds.timelock)
        return votes | locked, passed(s)._replace(clk=jnp.minimum(s.clk + 1, max(bounds.voting, bounds.timelock)))

    def vote(s: State, y: Any, a: Any, bug: Any) -> tuple[Any, State]:
        # Of a member's motion only captured ones approve. On an alarm all may, or stay away.
        counted = (s.ph == VOTING) & ((s.clk == bounds.voting) | (bug == HASTY_VOTE))
        possible = (s.kind == ALARM) | (y <= bounds.captured)
        enough = y >= jnp.where(bug == QUORUM_OF_ONE, 1, bounds.needed)
        on = passed(s)
        again = on._replace(clk=jnp.int32(0), open=jnp.where(bug == PAUSE_RENEWED, 0, on.open))
        # An alarm that stays: the vote is held again; on a member's motion that failed it is raised.
        alarmed = _choose(s.kind == ALARM, again, raised(ALARM))
        fails = _choose(a == 1, alarmed, ended(s, s.done))
        locked = on._replace(ph=jnp.int32(TIMELOCK), clk=jnp.int32(0))
        passes = _choose(bug == NO_TIMELOCK, ended(s, s.kind), locked)
        return counted & possible, _choose(enough, passes, fails)

    def execute(s: State, bug: Any) -> tuple[Any, State]:
        return (s.ph == TIMELOCK) & (s.clk + 1 >= bounds.timelock), ended(s, s.kind)

    def not_before_timelock(s: State, t: State) -> Any:
        executed = (t.done != s.done) & (t.done != 0)
        return ~executed | ((s.ph == TIMELOCK) & (s.clk + 1 >= bounds.timelock))

    def votes_take_their_time(s: State, t: State) -> Any:
        passes = (t.ph == TIMELOCK) & (s.ph != TIMELOCK)
        return ~passes | ((s.ph == VOTING) & (s.clk == bounds.voting))

    rounds = (Fair("Wait"), Fair("Vote"), Fair("Execute"))
    open_ = lambda s: s.ph != IDLE
    return Spec(
        name="council",
        statement="Nothing is executed before its vote and its timelock; captured members force nothing; a pause ends.",
        state=State,
        variables={
            "ph": Var((), 2), "kind": Var((), 2), "clk": Var((), max(bounds.voting, bounds.timelock)),
            "open": Var((), limit), "pz": Var((), limit + 1), "done": Var((), 2),
        },
        init=[State(0, 0, 0, 0, 0, 0)],
        actions=(
            Action("Alarm", alarm),
            Action("Move", move),
            Action("Wait", wait),
            Action("Vote", vote, {"y": n + 1, "a": 2}),
            Action("Execute", execute),
        ),
        invariants={
            "NothingForced": lambda s: s.done != MOVED,
            "PauseEnds": lambda s: s.pz <= limit,
        },
        steps={"NotBeforeTimelock": not_before_timelock, "VotesTakeTheirTime": votes_take_their_time},
        witnesses={
            "an alarm is executed": lambda s: s.done == ALARM,
            "a vote on an alarm goes on beyond the pause": lambda s: (s.ph == VOTING) & (s.pz == limit),
            "a member's motion is voted on": lambda s: (s.ph == VOTING) & (s.kind == MOVED) & (s.clk == bounds.voting),
        },
        leads_to=(
            LeadsTo("PauseIsOver", paused, lambda s: ~paused(s), rounds),
            LeadsTo("PassedIsExecuted", lambda s: s.ph == TIMELOCK, lambda s: s.done != 0, (rounds[0], rounds[2])),
            # While members stay away the vote fails, and is held again for ever.
            LeadsTo("MatterEnds", open_, lambda s: ~open_(s), rounds, holds=False),
        ),
        mutants=(
            Mutant("quorum_of_one", QUORUM_OF_ONE, "NothingForced", 8),
            Mutant("pause_renewed", PAUSE_RENEWED, "PauseEnds", 6),
            Mutant("no_timelock", NO_TIMELOCK, "NotBeforeTimelock", 5),
            Mutant("hasty_vote", HASTY_VOTE, "VotesTakeTheirTime", 3),
        ),
    )  # fmt: skip


def _choose(condition: Any, one: State, other: State) -> State:
    return State(*(jnp.where(condition, a, b) for a, b in zip(one, other, strict=True)))
