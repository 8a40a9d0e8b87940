"""The procedure of a council, alone: from an alarm over votes and a timelock to a decision, in whole numbers."""

import enum
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


class Phase(enum.IntEnum):
    """Where a council stands at the end of a round."""

    IDLE = 0
    VOTING = 1
    TIMELOCK = 2


class Kind(enum.IntEnum):
    """What is on the table: nothing, a verdict on an alarm, or a motion that a member made without one."""

    NOTHING = 0
    ALARM = 1
    MOVED = 2


class Outcome(enum.IntEnum):
    """How the last matter ended; one that is still on the table is never decided where the run ends here.

    `too_late`: what was to be restored is older than every snapshot. `rejected`: the vote failed, and there is no alarm
    any more. `expired`: no vote passed in time.
    """

    nothing = 0
    never_decided = 1
    executed = 2
    too_late = 3
    rejected = 4
    expired = 5


class Terms(NamedTuple):
    """Rounds that the procedure takes: of a vote, of the timelock, of a pause at most, until a matter expires, and
    after a decision before the next alarm is heard."""

    voting: Int[Array, ""]
    timelock: Int[Array, ""]
    pause: Int[Array, ""]
    expires: Int[Array, ""]
    rest: Int[Array, ""]


class Docket(NamedTuple):
    """The memory of the procedure: phase, what is on the table, rounds in this phase and since the matter was raised,
    rounds to rest, votes that failed on this matter, and the outcome of the last one."""

    phase: Int[Array, ""]
    kind: Int[Array, ""]
    clock: Int[Array, ""]
    open: Int[Array, ""]
    rest: Int[Array, ""]
    failed: Int[Array, ""]
    outcome: Int[Array, ""]


class Heard(NamedTuple):
    """What the procedure hears in a round: an alarm, a member's motion, whether the ballots are enough, whether there
    is a snapshot that the decision can return to."""

    alarm: Bool[Array, ""]
    moved: Bool[Array, ""]
    enough: Bool[Array, ""]
    possible: Bool[Array, ""]


class Steps(NamedTuple):
    """What happens in a round: a matter is raised, proposed (raised, or put to the vote again), passed, executed."""

    raises: Bool[Array, ""]
    proposes: Bool[Array, ""]
    passes: Bool[Array, ""]
    executes: Bool[Array, ""]


def empty_docket() -> Docket:
    """The memory before the first round."""
    return Docket(*(jnp.zeros((), jnp.int32) for _ in Docket._fields))


def pausing(terms: Terms, docket: Docket) -> Bool[Array, ""]:
    """Whether the training is paused in the next round: during a matter that an alarm raised, and not for long."""
    return (docket.phase != Phase.IDLE) & (docket.kind == Kind.ALARM) & (docket.open < terms.pause)


def voting_next(terms: Terms, docket: Docket) -> Bool[Array, ""]:
    """Whether members vote in the next round, in which their votes are counted."""
    return (docket.phase == Phase.VOTING) & (docket.clock == terms.voting)


def proceed(terms: Terms, docket: Docket, heard: Heard) -> tuple[Docket, Steps]:
    """The docket at the end of a round, and what happened in it."""
    clock, rounds = docket.clock + 1, docket.open + 1
    votes, locked = docket.phase == Phase.VOTING, docket.phase == Phase.TIMELOCK
    counted = votes & (clock > terms.voting)
    passes, fails = counted & heard.enough, counted & ~heard.enough
    executes = (locked & (clock >= terms.timelock)) | (passes & (terms.timelock <= 0))
    expires = votes & ~passes & (rounds >= terms.expires)
    of_alarm = docket.kind == Kind.ALARM
    # An alarm takes the table from a member's motion: otherwise such motions could keep it for ever.
    free = (docket.phase == Phase.IDLE) | (votes & ~of_alarm & ~passes)
    alarms = heard.alarm & free & (docket.rest <= 0)
    again = fails & ~expires & of_alarm & heard.alarm
    moves = heard.moved & ~alarms & (docket.phase == Phase.IDLE)
    raises = alarms | moves
    proposes = raises | again
    ends = executes | expires | (fails & ~again)

    def number(flag: Bool[Array, ""], value: Int[Array, ""] | int, other: Int[Array, ""] | int) -> Int[Array, ""]:
        return jnp.where(flag, value, other).astype(jnp.int32)

    phase = number(ends, Phase.IDLE, number(passes, Phase.TIMELOCK, docket.phase))
    ended = number(executes, number(heard.possible, Outcome.executed, Outcome.too_late),
                   number(expires, Outcome.expired, Outcome.rejected))  # fmt: skip
    after = Docket(
        phase=number(proposes, Phase.VOTING, phase),
        kind=number(raises, number(alarms, Kind.ALARM, Kind.MOVED), number(ends, Kind.NOTHING, docket.kind)),
        clock=number(proposes | passes | ends, 0, clock),
        open=number(raises | ends, 0, rounds),
        rest=number(of_alarm & (executes | expires), terms.rest, jnp.maximum(docket.rest - 1, 0)),
        failed=number(raises, 0, docket.failed + number(fails, 1, 0)),
        outcome=number(proposes, Outcome.never_decided, number(ends, ended, docket.outcome)),
    )
    return after, Steps(raises, proposes, passes, executes)
